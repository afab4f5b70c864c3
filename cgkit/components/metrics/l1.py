"""The mean absolute difference to the truth."""

from __future__ import annotations

from torch import Tensor


class MeanAbsoluteError:
    """Mean absolute difference to the truth.

    0 is the same image, 1 is black for white.
    """

    compares = "truth"
    better = "lower"

    def __call__(self, translations: Tensor, references: Tensor, /) -> Tensor:
        """Return one number an image, `(N,)`, for two `(N, C, H, W)` batches in [0, 1]."""
        return (translations - references).abs().mean((1, 2, 3))
