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
"""The grey of a streak, as kornia paints it: lighter than most of a landscape, darker than its sky."""


class Rain(nn.Module):
    """Streaks of rain, all slanting alike.

    The streaks are those of kornia's RandomRain: lines of one pixel's width, all of one image of the same length and
    slant, anywhere in it. They are of a light grey and let the image through. Lengths follow the image's height, so
    that rain looks the same at every size.

    Args:
        drops: the most streaks for every 1000 pixels; an image gets a share of them between a half and all.
        length: the most that a streak goes down, as a share of the height; at least half of it.
        slant: the most that a streak goes sideways, as a share of what it goes down.
        opacity: how far a streak covers what is behind it.
        p: how often it rains.
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
        """Return `(N, C, H, W)` in [0, 1], with rain."""
        if not happens(self.p):
            return image
        streaks = self._streaks(*image.shape[-2:]).to(image.device)
        return torch.where(streaks, torch.lerp(image, torch.full_like(image, _LIGHT), self.opacity), image)

    def _streaks(self, height: int, width: int) -> Tensor:
        """Return where there is a streak: `(1, 1, H, W)`, true or false."""
        drops = max(1, round(self.drops * height * width / 1000))
        longest = min(max(1, round(self.length * height)), height - 1)
        aside = min(round(self.slant * longest), width - 1)
        rain = RandomRain(
            number_of_drops=((drops + 1) // 2, drops),
            drop_height=((longest + 1) // 2, longest),
            drop_width=(-aside, aside),
            p=1.0,
        )
        painted: Tensor = rain(torch.zeros(1, 1, height, width, device="cpu"))
        return painted > 0
