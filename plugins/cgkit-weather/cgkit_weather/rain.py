"""Rain in front of the scene."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from kornia.augmentation import RandomRain
from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role

_LIGHT = 200 / 255
"""Grey value of a streak, as in kornia: lighter than most of a landscape, darker than its sky."""


class Rain(nn.Module):
    """Streaks of rain with the same slant.

    The streaks are those of kornia's RandomRain: lines one pixel wide at random positions, all with the same length
    and slant within an image. They are light grey and semi-transparent. Lengths are relative to the image's height, so
    that rain looks the same at every size.

    Args:
        drops: maximum number of streaks per 1000 pixels; the number for an image is at least half of that.
        length: maximum vertical extent of a streak as a fraction of the image's height; the extent in an image is at
            least half of that.
        slant: maximum horizontal extent of a streak as a fraction of the maximum vertical extent.
        opacity: opacity of a streak, from 0 (invisible) to 1.
        p: probability that an image gets rain.
    """

    role: Role = "data"

    def __init__(
        self,
        *,
        drops: Annotated[float, Gt(0), Le(200)] = 10.0,
        length: Annotated[float, Gt(0), Le(1)] = 0.15,
        slant: Annotated[float, Ge(0), Le(1)] = 0.3,
        opacity: Annotated[float, Ge(0), Le(1)] = 0.5,
        p: Probability = 0.5,
    ) -> None:
        super().__init__()
        self.drops = drops
        self.length = length
        self.slant = slant
        self.opacity = opacity
        self.p = p

    def forward(self, image: Tensor) -> Tensor:
        """Add rain to images `(N, C, H, W)` in [0, 1] with probability `p`."""
        if not happens(self.p):
            return image
        streaks = self._streaks(*image.shape[-2:]).to(image.device)
        return torch.where(streaks, torch.lerp(image, torch.full_like(image, _LIGHT), self.opacity), image)

    def _streaks(self, height: int, width: int) -> Tensor:
        """Return a boolean mask of the streaks, `(1, 1, H, W)`."""
        drops = max(1, round(self.drops * height * width / 1000))
        longest = min(max(1, round(self.length * height)), height - 1)
        sideways = min(round(self.slant * longest), width - 1)
        rain = RandomRain(
            number_of_drops=((drops + 1) // 2, drops),
            drop_height=((longest + 1) // 2, longest),
            drop_width=(-sideways, sideways),
            p=1.0,
        )
        painted: Tensor = rain(torch.zeros(1, 1, height, width, device="cpu"))
        return painted > 0
