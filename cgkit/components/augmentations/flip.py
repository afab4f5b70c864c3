"""Random mirroring."""

from __future__ import annotations

from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role


class Flip(nn.Module):
    """Mirror images at random.

    Args:
        horizontal: the probability that left and right are swapped.
        vertical: the probability that top and bottom are swapped.
    """

    role: Role = "data"
    geometric = True

    def __init__(self, *, horizontal: Probability = 0.5, vertical: Probability = 0.0) -> None:
        super().__init__()
        self.horizontal = horizontal
        self.vertical = vertical

    def forward(self, image: Tensor) -> Tensor:
        """Mirror images `(N, C, H, W)`, or return them unchanged."""
        if happens(self.horizontal):
            image = image.flip(-1)
        if happens(self.vertical):
            image = image.flip(-2)
        return image
