"""Gaussian blur of random width."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Gt, Le
from kornia.filters import gaussian_blur2d
from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role


class Blur(nn.Module):
    """Gaussian blur of random width.

    The kernel extends to 3 standard deviations, but no further than the image allows; the image is mirrored at its
    borders.

    Args:
        sigma_min: the smallest standard deviation, in pixels.
        sigma_max: the largest standard deviation, in pixels.
        p: the probability that an image is blurred.
    """

    role: Role = "data"

    def __init__(
        self,
        *,
        sigma_min: Annotated[float, Gt(0), Le(100)] = 0.1,
        sigma_max: Annotated[float, Gt(0), Le(100)] = 2.0,
        p: Probability = 0.5,
    ) -> None:
        super().__init__()
        if sigma_min > sigma_max:
            raise ValueError(f"sigma_min = {sigma_min:g} is greater than sigma_max = {sigma_max:g}")
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.p = p

    def forward(self, image: Tensor) -> Tensor:
        """Blur images `(N, C, H, W)` in [0, 1]."""
        if not happens(self.p):
            return image
        share = float(torch.rand((), device="cpu"))
        sigma = self.sigma_min + share * (self.sigma_max - self.sigma_min)
        reach = math.ceil(3 * sigma)
        # A mirrored border must be narrower than the image.
        rows, columns = (2 * min(reach, side - 1) + 1 for side in image.shape[-2:])
        blurred: Tensor = gaussian_blur2d(image, (rows, columns), (sigma, sigma), border_type="reflect")
        return blurred.clamp(0, 1)
