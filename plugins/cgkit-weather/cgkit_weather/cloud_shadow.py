"""Shadows of clouds."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from kornia.augmentation import RandomPlasmaShadow
from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role


class CloudShadow(nn.Module):
    """Cloud-shaped shadows.

    As in kornia's RandomPlasmaShadow (after Nicolaou et al., 2022: "TorMentor"), the same amount is subtracted from all
    channels, down to black, wherever a fractal is below a threshold.

    Args:
        darkness: maximum amount subtracted; the amount for an image is at least half of that.
        cover: maximum fraction of the fractal's range that counts as cloud; the fraction for an image is at least half
            of that, so at 1, some images are completely in shadow.
        roughness: the roughness of outlines, from 0 (round) to 1 (ragged).
        p: probability that an image gets shadows.
    """

    role: Role = "data"

    def __init__(
        self,
        *,
        darkness: Annotated[float, Ge(0), Le(1)] = 0.3,
        cover: Annotated[float, Ge(0), Le(1)] = 0.6,
        roughness: Annotated[float, Ge(0), Le(1)] = 0.4,
        p: Probability = 0.5,
    ) -> None:
        super().__init__()
        self.p = p
        self._shadow = RandomPlasmaShadow((roughness, roughness), (-darkness, -darkness / 2), (cover / 2, cover), p=1.0)

    def forward(self, image: Tensor) -> Tensor:
        """Add shadows to images `(N, C, H, W)` in [0, 1] with probability `p`."""
        if not happens(self.p):
            return image
        shaded: Tensor = self._shadow(image)
        return shaded.to(image.dtype).clamp(0, 1)
