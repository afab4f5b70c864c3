"""The peak signal-to-noise ratio."""

from __future__ import annotations

from torch import Tensor

_LEAST_ERROR = 1e-10
"""The mean squared error at which the ratio reaches its limit of 100 dB."""


class Psnr:
    """Peak signal-to-noise ratio with respect to the ground truth, in dB.

    The peak value is 1. Values are limited to 100 dB, because the ratio of equal images would be infinite.
    """

    compares = "truth"
    better = "higher"

    def __call__(self, translations: Tensor, references: Tensor, /) -> Tensor:
        """Return one number per image, `(N,)`, for two `(N, C, H, W)` batches in [0, 1]."""
        error = (translations - references).square().mean((1, 2, 3))
        return -10 * error.clamp(min=_LEAST_ERROR).log10()
