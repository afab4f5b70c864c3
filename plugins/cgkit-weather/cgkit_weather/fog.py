"""Fog between the camera and the scene."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from kornia.contrib import diamond_square
from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role


class Fog(nn.Module):
    """Fog of uneven thickness.

    Every pixel is blended with the grey of the fog, as in the model of hazy images by Narasimhan and Nayar (2002).
    The blending weights are a random cloudy pattern (kornia's diamond-square fractal), because the depth of the scene,
    on which they should depend, is not known.

    Args:
        density: maximum blending weight of the fog; the weight for an image is at least half of that.
        roughness: the roughness of banks of fog, from 0 (smooth) to 1 (ragged).
        lightness: grey value of the fog, from 0 (black) to 1 (white).
        p: probability that an image gets fog.
    """

    role: Role = "data"

    def __init__(
        self,
        *,
        density: Annotated[float, Ge(0), Le(1)] = 0.7,
        roughness: Annotated[float, Ge(0), Le(1)] = 0.4,
        lightness: Annotated[float, Ge(0), Le(1)] = 0.85,
        p: Probability = 0.5,
    ) -> None:
        super().__init__()
        self.density = density
        self.roughness = roughness
        self.lightness = lightness
        self.p = p

    def forward(self, image: Tensor) -> Tensor:
        """Add fog to images `(N, C, H, W)` in [0, 1] with probability `p`."""
        if not happens(self.p):
            return image
        amount = self.density * float(1 + torch.rand((), device="cpu")) / 2
        pattern = diamond_square((1, 1, *image.shape[-2:]), self.roughness, device=torch.device("cpu"))
        weight = (amount * pattern).to(image.device, image.dtype)
        return (image + weight * (self.lightness - image)).clamp(0, 1)
