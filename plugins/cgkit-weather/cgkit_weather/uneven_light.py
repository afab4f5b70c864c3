"""Uneven lighting."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from kornia.augmentation import RandomPlasmaBrightness
from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role


class UnevenLight(nn.Module):
    """Light that varies over the image.

    kornia's RandomPlasmaBrightness (after Nicolaou et al., 2022: "TorMentor") adds the same fractal to every channel,
    so that colours are not tinted.

    Args:
        strength: maximum amount added to or subtracted from a pixel.
        roughness: the roughness of the variation, from 0 (smooth) to 1 (patchy).
        p: probability that an image gets uneven light.
    """

    role: Role = "data"

    def __init__(
        self,
        *,
        strength: Annotated[float, Ge(0), Le(0.5)] = 0.4,
        roughness: Annotated[float, Ge(0), Le(1)] = 0.3,
        p: Probability = 0.5,
    ) -> None:
        super().__init__()
        self.p = p
        self._light = RandomPlasmaBrightness((roughness, roughness), (0.0, strength), p=1.0)

    def forward(self, image: Tensor) -> Tensor:
        """Light images `(N, C, H, W)` in [0, 1] unevenly with probability `p`."""
        if not happens(self.p):
            return image
        # kornia clamps its input and its result, so the light is computed on mid-grey, where nothing is clamped.
        grey = image.new_full((len(image), 1, *image.shape[-2:]), 0.5)
        lit: Tensor = self._light(grey)
        return (image + (lit - grey).to(image.dtype)).clamp(0, 1)
