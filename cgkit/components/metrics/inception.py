"""The Inception network of the published FID, from a file that the user has."""

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
"""Of the network that was ported from TensorFlow, in place of ImageNet's 1000."""


class Inception:
    """Inception-v3 with the weights of the published FID (Heusel et al., 2017).

    Args:
        weights: the file `pt_inception-2015-12-05-6726825d.pth` of the project pytorch-fid, or one of that form.

    Raises:
        DataError: the file cannot be read, or holds another network; when features are asked for, not before.
    """

    def __init__(self, weights: Path) -> None:
        self.weights = weights

    @property
    def description(self) -> str:
        """What it is, its weights, and how images are brought to its size."""
        return f"inception sha256:{_checksum(self.weights)}, {SIZE}x{SIZE} bilinear"

    def features(self, images: Tensor) -> Tensor:
        """Return what is left of images `(N, 1 or 3, H, W)` in [0, 1] before the classifier, `(N, 2048)`.

        Raises:
            ValueError: they have neither one channel nor three.
        """
        if images.shape[1] not in (1, 3):
            raise ValueError(f"the network sees images of 1 or 3 channels, not of {images.shape[1]}")
        colours = images.float().expand(-1, 3, -1, -1)
        colours = F.interpolate(colours, (SIZE, SIZE), mode="bilinear", align_corners=False)
        seen: Tensor = _network(self.weights)(colours * 2 - 1)
        return seen


class _A(torchvision.InceptionA):  # type: ignore[misc]
    def _forward(self, images: Tensor) -> list[Tensor]:
        return [*super()._forward(images)[:-1], self.branch_pool(_mean_without_border(images))]


class _C(torchvision.InceptionC):  # type: ignore[misc]
    def _forward(self, images: Tensor) -> list[Tensor]:
        return [*super()._forward(images)[:-1], self.branch_pool(_mean_without_border(images))]


class _E(torchvision.InceptionE):  # type: ignore[misc]
    def _forward(self, images: Tensor) -> list[Tensor]:
        return [*super()._forward(images)[:-1], self.branch_pool(_mean_without_border(images))]


class _LastE(torchvision.InceptionE):  # type: ignore[misc]
    def _forward(self, images: Tensor) -> list[Tensor]:
        return [*super()._forward(images)[:-1], self.branch_pool(_largest(images))]


# TensorFlow's mean leaves the padding out, and the published network takes the maximum in its last block.
_mean_without_border = partial(F.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)
_largest = partial(F.max_pool2d, kernel_size=3, stride=1, padding=1)


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
        raise DataError(f"{file} does not hold the weights of the published FID's Inception: {reason}") from error
    network.fc = nn.Identity()
    ready: nn.Module = network.eval().requires_grad_(False)
    return ready
