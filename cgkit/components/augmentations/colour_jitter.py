"""Vary an image's brightness, contrast, saturation and hue."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor, nn
from torchvision.transforms import v2

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role


class ColourJitter(nn.Module):
    """Vary brightness, contrast, saturation and hue.

    The changes come in a random order, each clamped to [0, 1]. Saturation and hue change only images of 3 channels.
    Changing hue computes in float32, whatever the image's dtype.

    Args:
        brightness: the image is multiplied by a factor within this distance of 1.
        contrast: the distance to the mean grey is multiplied by a factor within this distance of 1.
        saturation: the distance to the grey image is multiplied by a factor within this distance of 1.
        hue: the most that hues are turned, as a share of the colour circle.
        p: how often an image is changed.
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
        """Return `(N, C, H, W)` in [0, 1], its colours varied."""
        if not happens(self.p):
            return image
        if image.shape[1] == 3:
            jittered: Tensor = self._jitter(image)
            return jittered
        # torchvision takes 1 or 3 channels: any other number are stacked into one, which has no saturation or hue.
        stacked: Tensor = self._jitter(image.flatten(1, 2)[:, None])
        return stacked.reshape(image.shape)
