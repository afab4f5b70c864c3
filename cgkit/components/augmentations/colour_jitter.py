"""Random brightness, contrast, saturation and hue."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor, nn
from torchvision.transforms import v2

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role


class ColourJitter(nn.Module):
    """Vary brightness, contrast, saturation and hue at random.

    The changes are applied in random order, and each result is clamped to [0, 1]. Saturation and hue change only
    images with 3 channels. Hue is computed in float32, whatever the image's dtype.

    Args:
        brightness: the largest deviation from 1 of the factor that multiplies the image.
        contrast: the largest deviation from 1 of the factor that multiplies differences from the mean grey.
        saturation: the largest deviation from 1 of the factor that multiplies differences from the grey image.
        hue: the largest hue rotation, as a fraction of the colour circle.
        p: the probability that an image is changed.
    """

    role: Role = "data"

    def __init__(
        self,
        *,
        brightness: Annotated[float, Ge(0), Le(1)] = 0.2,
        contrast: Annotated[float, Ge(0), Le(1)] = 0.2,
        saturation: Annotated[float, Ge(0), Le(1)] = 0.2,
        hue: Annotated[float, Ge(0), Le(0.5)] = 0.02,
        p: Probability = 1.0,
    ) -> None:
        super().__init__()
        self.p = p
        self._jitter = v2.ColorJitter(brightness, contrast, saturation, hue)

    def forward(self, image: Tensor) -> Tensor:
        """Vary the colours of images `(N, C, H, W)` in [0, 1]."""
        if not happens(self.p):
            return image
        if image.shape[1] == 3:
            jittered: Tensor = self._jitter(image)
            return jittered
        # torchvision accepts only 1 or 3 channels, so any other number of channels is stacked into a single one, which
        # has no saturation or hue.
        stacked: Tensor = self._jitter(image.flatten(1, 2)[:, None])
        return stacked.reshape(image.shape)
