"""Rotation by multiples of 90 degrees."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role


class RightAngleRotation(nn.Module):
    """Rotate images by random multiples of 90 degrees.

    Square images are rotated by 0, 90, 180 or 270 degrees with equal probability, others by 0 or 180
    degrees, which keeps their shape.

    Args:
        p: the probability that an angle is drawn; otherwise the image is unchanged.
    """

    role: Role = "data"
    geometric = True

    def __init__(self, *, p: Probability = 1.0) -> None:
        super().__init__()
        self.p = p

    def forward(self, image: Tensor) -> Tensor:
        """Rotate images `(N, C, H, W)`."""
        if not happens(self.p):
            return image
        quarters = int(torch.randint(4, (), device="cpu"))
        if image.shape[-2] != image.shape[-1]:
            quarters = quarters // 2 * 2
        return torch.rot90(image, quarters, (-2, -1))
