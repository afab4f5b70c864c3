"""The mean absolute error."""

from __future__ import annotations

from torch import Tensor


class MeanAbsoluteError:
    """Mean absolute difference from the ground truth.

    It ranges from 0 for identical images to 1 for a black image compared with a white one.
    """

    compares = "truth"
    better = "lower"

    def __call__(self, translations: Tensor, references: Tensor, /) -> Tensor:
        """Return one number per image, `(N,)`, for two `(N, C, H, W)` batches in [0, 1]."""
        return (translations - references).abs().mean((1, 2, 3))
