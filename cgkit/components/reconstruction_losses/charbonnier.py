"""A distance between the squared and the absolute one."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt, Le
from torch import Tensor


class CharbonnierLoss:
    """A smooth absolute difference.

    Charbonnier et al., 1994: the mean of sqrt(difference^2 + epsilon^2) - epsilon, quadratic for differences well
    below `epsilon` and absolute well above.

    Args:
        epsilon: where the one turns into the other, on the scale of images in [-1, 1].
    """

    def __init__(self, *, epsilon: Annotated[float, Gt(0), Le(1)] = 1e-3) -> None:
        self.epsilon = epsilon

    def __call__(self, reconstruction: Tensor, target: Tensor, /) -> Tensor:
        """Return the distance of two `(N, C, H, W)` batches."""
        squared = (reconstruction - target).square()
        # The difference of the root and epsilon, written so that nothing cancels and equal images are at exactly 0.
        return (squared / ((squared + self.epsilon**2).sqrt() + self.epsilon)).mean()
