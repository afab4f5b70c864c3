"""The mean absolute error."""

from __future__ import annotations

from torch import Tensor


class MeanAbsoluteError:
    """Mean absolute difference to the ground truth.

    0 for equal images, 1 for black instead of white.
    """

    compares = "truth"
    better = "lower"

    def __call__(self, translations: Tensor, references: Tensor, /) -> Tensor:
        """Return one number per image, `(N,)`, for two `(N, C, H, W)` batches in [0, 1]."""
        return (translations - references).abs().mean((1, 2, 3))
