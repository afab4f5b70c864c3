"""The Inception network of the published FID, from a file supplied by the user."""

from __future__ import annotations

import hashlib
import pickle
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import inception as torchvision

from cgkit.errors import DataError

SIZE = 299
CLASSES = 1008
"""Number of outputs of the network; it exceeds ImageNet's 1000 classes because the weights come from TensorFlow."""


class Inception:
    """Inception-v3 with the weights of the published FID (Heusel et al., 2017).

    Args:
        weights: the file `pt_inception-2015-12-05-6726825d.pth` of the project pytorch-fid, or a file in its format.

    The methods raise `DataError` if the file cannot be read or does not contain the weights of this network.
    """

    def __init__(self, weights: Path) -> None:
        self.weights = weights

    @property
    def description(self) -> str:
        """The name of the network, the checksum of its weights, and how images are resized."""
        return f"inception sha256:{_checksum(self.weights)}, {SIZE}x{SIZE} bilinear"

    def features(self, images: Tensor) -> Tensor:
        """Return the features before the classifier, `(N, 2048)`, of images `(N, 1 or 3, H, W)` in [0, 1].

        Raises:
            ValueError: the images have neither 1 nor 3 channels.
        """
        if images.shape[1] not in (1, 3):
            raise ValueError(f"the network takes images with 1 or 3 channels, not {images.shape[1]}")
        colours = images.float().expand(-1, 3, -1, -1)
        colours = F.interpolate(colours, (SIZE, SIZE), mode="bilinear", align_corners=False)
        features: Tensor = _network(self.weights)(colours * 2 - 1)
        return features


class _A(torchvision.InceptionA):  # type: ignore[misc]
    def _forward(self, images: Tensor) -> list[Tensor]:
        return [*super()._forward(images)[:-1], self.branch_pool(_mean_pool(images))]


class _C(torchvision.InceptionC):  # type: ignore[misc]
    def _forward(self, images: Tensor) -> list[Tensor]:
        return [*super()._forward(images)[:-1], self.branch_pool(_mean_pool(images))]


class _E(torchvision.InceptionE):  # type: ignore[misc]
    def _forward(self, images: Tensor) -> list[Tensor]:
        return [*super()._forward(images)[:-1], self.branch_pool(_mean_pool(images))]


class _LastE(torchvision.InceptionE):  # type: ignore[misc]
    def _forward(self, images: Tensor) -> list[Tensor]:
        return [*super()._forward(images)[:-1], self.branch_pool(_max_pool(images))]


# Unlike torchvision's network, the published one ignores padding in averages and uses max pooling in its last block.
_mean_pool = partial(F.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)
_max_pool = partial(F.max_pool2d, kernel_size=3, stride=1, padding=1)


@lru_cache(maxsize=2)
def _checksum(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error


@lru_cache(maxsize=1)
def _network(file: Path) -> nn.Module:
    blocks = [
        torchvision.BasicConv2d,
        _A,
        torchvision.InceptionB,
        _C,
        torchvision.InceptionD,
        _E,
        torchvision.InceptionAux,
    ]
    network = torchvision.Inception3(CLASSES, aux_logits=False, inception_blocks=blocks, init_weights=False)
    network.Mixed_7c = _LastE(2048)
    try:
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{file} does not contain the Inception weights of the published FID: {reason}") from error
    network.fc = nn.Identity()
    frozen: nn.Module = network.eval().requires_grad_(False)
    return frozen
