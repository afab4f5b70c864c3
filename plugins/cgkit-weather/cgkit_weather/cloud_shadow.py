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

    kornia's RandomPlasmaShadow (after Nicolaou et al., 2022: "TorMentor"): wherever a fractal is below a threshold, the
    same amount is subtracted from all channels, down to black.

    Args:
        darkness: maximum amount to subtract; at least half of it is.
        cover: maximum share of the fractal's range that counts as cloud, at least half of it does; at 1, some images
            are completely in shadow.
        roughness: 0 for round outlines, 1 for ragged ones.
        p: probability of shadows.
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
        """Return `(N, C, H, W)` in [0, 1], partly in shadow."""
        if not happens(self.p):
            return image
        shaded: Tensor = self._shadow(image)
        return shaded.to(image.dtype).clamp(0, 1)
