"""A perceptual distance: the difference between a network's features of two images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from cgkit.components.metrics.efficientnet import EfficientNetLite0


class PerceptualDistance:
    """Distance from the ground truth in a network's features, at five resolutions (after Zhang et al., 2018).

    As in "The unreasonable effectiveness of deep features as a perceptual metric", equation 1, but without learned
    weights, the squared distance between features of unit length is averaged over positions, then over resolutions.
    The network is EfficientNet-Lite0, which the extra `metrics` installs, so values are not comparable with LPIPS. The
    distance is 0 for equal images and at most 4.
    """

    compares = "truth"
    better = "lower"

    def __init__(self) -> None:
        self._network = EfficientNetLite0()

    @property
    def extractor(self) -> str:
        """The name of the network, the checksum of its weights, and how images are resized."""
        return self._network.description

    def __call__(self, translations: Tensor, references: Tensor, /) -> Tensor:
        """Return one number per image, `(N,)`, for two `(N, C, H, W)` batches in [0, 1]."""
        pairs = zip(self._network.stages(translations), self._network.stages(references), strict=True)
        distances = [(F.normalize(a) - F.normalize(b)).square().sum(1).mean((1, 2)) for a, b in pairs]
        return torch.stack(distances).mean(0)
