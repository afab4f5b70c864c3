"""Mirror images at random."""

from __future__ import annotations

from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role


class Flip(nn.Module):
    """Mirror images at random.

    Args:
        horizontal: how often left and right change places.
        vertical: how often top and bottom change places.
    """

    role: Role = "data"

    def __init__(self, *, horizontal: Probability = 0.5, vertical: Probability = 0.0) -> None:
        super().__init__()
        self.horizontal = horizontal
        self.vertical = vertical

    def forward(self, image: Tensor) -> Tensor:
        """Return `(N, C, H, W)`, mirrored or not."""
        if happens(self.horizontal):
            image = image.flip(-1)
        if happens(self.vertical):
            image = image.flip(-2)
        return image
