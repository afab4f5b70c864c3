"""How unlike two images look to a network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from cgkit.components.metrics.efficientnet import EfficientNetLite0


class PerceptualDistance:
    """Distance to the truth in what a network sees, at five resolutions.

    After Zhang et al., 2018 ("The unreasonable effectiveness of deep features as a perceptual metric", equation 1)
    without learned weights: features of unit length, the mean squared distance over the places, the mean of the
    resolutions. The network is EfficientNet-Lite0, of the extra `metrics`; so it is no LPIPS, and not comparable with
    one. 0 is the same image, 2 the most.
    """

    compares = "truth"
    better = "lower"

    def __init__(self) -> None:
        self._network = EfficientNetLite0()

    @property
    def extractor(self) -> str:
        """The network and its weights' checksum."""
        return self._network.description

    def __call__(self, translations: Tensor, references: Tensor, /) -> Tensor:
        """Return one number an image, `(N,)`, for two `(N, C, H, W)` batches in [0, 1]."""
        pairs = zip(self._network.stages(translations), self._network.stages(references), strict=True)
        distances = [(F.normalize(a) - F.normalize(b)).square().sum(1).mean((1, 2)) for a, b in pairs]
        return torch.stack(distances).mean(0)
