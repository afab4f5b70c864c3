"""Gaussian noise."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role


class Noise(nn.Module):
    """Add Gaussian noise.

    The noise is independent for each value; the sum is clamped to [0, 1].

    Args:
        std: the standard deviation of the noise, for values in [0, 1].
        p: the probability that noise is added to an image.
    """

    role: Role = "data"

    def __init__(self, *, std: Annotated[float, Ge(0), Le(1)] = 0.02, p: Probability = 1.0) -> None:
        super().__init__()
        self.std = std
        self.p = p

    def forward(self, image: Tensor) -> Tensor:
        """Add noise to images `(N, C, H, W)` in [0, 1]."""
        if not happens(self.p):
            return image
        return (image + self.std * torch.randn_like(image)).clamp(0, 1)
