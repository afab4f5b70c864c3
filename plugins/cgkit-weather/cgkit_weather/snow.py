"""Snow on the ground."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from kornia.augmentation import RandomSnow
from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role


class Snow(nn.Module):
    """Snow on the ground: dark pixels turn light.

    As in kornia's RandomSnow, the lightness of every pixel darker than a threshold is multiplied by a factor, up to
    white. There are no flakes.

    Args:
        threshold_min: minimum of the lightness threshold below which a pixel turns lighter.
        threshold_max: maximum of the lightness threshold; higher values cover more of the image with snow.
        brightness_min: minimum factor that the lightness is multiplied by.
        brightness_max: maximum factor that the lightness is multiplied by.
        p: probability that an image gets snow.
    """

    role: Role = "data"

    def __init__(
        self,
        *,
        threshold_min: Annotated[float, Ge(0), Le(1)] = 0.3,
        threshold_max: Annotated[float, Ge(0), Le(1)] = 0.6,
        brightness_min: Annotated[float, Ge(1), Le(10)] = 1.5,
        brightness_max: Annotated[float, Ge(1), Le(10)] = 2.5,
        p: Probability = 0.5,
    ) -> None:
        super().__init__()
        if threshold_min > threshold_max:
            raise ValueError(f"threshold_min = {threshold_min:g} is greater than threshold_max = {threshold_max:g}")
        if brightness_min > brightness_max:
            raise ValueError(f"brightness_min = {brightness_min:g} is greater than brightness_max = {brightness_max:g}")
        self.p = p
        self._snow = RandomSnow((threshold_min, threshold_max), (brightness_min, brightness_max), p=1.0)

    def forward(self, image: Tensor) -> Tensor:
        """Add snow to images `(N, C, H, W)` in [0, 1] with probability `p`; grey images stay grey.

        Raises:
            ValueError: the images have neither 1 nor 3 channels.
        """
        channels = image.shape[1]
        if channels not in (1, 3):
            raise ValueError(f"snow requires images with 1 or 3 channels, not {channels}")
        if not happens(self.p):
            return image
        snowy: Tensor = self._snow(image.expand(-1, 3, -1, -1))
        return snowy[:, :channels].to(image.dtype).clamp(0, 1)
