"""The Charbonnier loss, a smooth absolute difference."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt, Le
from torch import Tensor


class CharbonnierLoss:
    """Smooth absolute difference (Charbonnier et al., 1994).

    The loss is the mean of sqrt(difference^2 + epsilon^2) - epsilon, which is quadratic for differences well below
    `epsilon` and linear for differences well above it.

    Args:
        epsilon: the difference around which the loss turns from quadratic to linear, for images in [-1, 1].
    """

    def __init__(self, *, epsilon: Annotated[float, Gt(0), Le(1)] = 1e-3) -> None:
        self.epsilon = epsilon

    def __call__(self, reconstruction: Tensor, target: Tensor, /) -> Tensor:
        """Return the distance between two `(N, C, H, W)` batches."""
        squared = (reconstruction - target).square()
        # Equal to sqrt(squared + epsilon^2) - epsilon, but without cancellation; exactly 0 for equal images.
        return (squared / ((squared + self.epsilon**2).sqrt() + self.epsilon)).mean()
