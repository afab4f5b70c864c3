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

    kornia's RandomPlasmaBrightness (after Nicolaou et al., 2022: "TorMentor") adds a fractal, the same one to every
    channel, so that colours are not tinted.

    Args:
        strength: maximum amount added or subtracted at any pixel.
        roughness: 0 for smooth variation, 1 for patchy light.
        p: probability of uneven light.
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
        """Return `(N, C, H, W)` in [0, 1], lit unevenly."""
        if not happens(self.p):
            return image
        # Computed on mid-grey, which stays within [0, 1], because kornia would clamp the image.
        grey = image.new_full((len(image), 1, *image.shape[-2:]), 0.5)
        lit: Tensor = self._light(grey)
        return (image + (lit - grey).to(image.dtype)).clamp(0, 1)
