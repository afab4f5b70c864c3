"""Shadows of clouds."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from kornia.augmentation import RandomPlasmaShadow
from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role


class CloudShadow(nn.Module):
    """Shadows with the outlines of clouds.

    kornia's RandomPlasmaShadow (after Nicolaou et al., 2022: "TorMentor"): where a fractal is below a level, the same
    amount is subtracted from all channels, to black at most.

    Args:
        darkness: the most that is subtracted; at least half of it.
        cover: the most of the fractal's range that counts as cloud, at least half of it; at 1 some images lie wholly
            in the shadow.
        roughness: 0 for round outlines, 1 for ragged ones.
        p: how often there are shadows.
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
        """Return `(N, C, H, W)` in [0, 1], partly in the shadow."""
        if not happens(self.p):
            return image
        shaded: Tensor = self._shadow(image)
        return shaded.to(image.dtype).clamp(0, 1)
