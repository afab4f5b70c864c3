"""Structural similarity to the truth."""

from __future__ import annotations

from kornia.metrics import ssim
from torch import Tensor

_WINDOW = 11


class Ssim:
    """Structural similarity to the truth.

    Wang et al., 2004 ("Image quality assessment: from error visibility to structural similarity"): a Gaussian window
    of 11 x 11 pixels with a standard deviation of 1.5, at every place where it fits into the image; the mean over
    places and channels. In an image smaller than 11 pixels the window is the largest odd one that fits.
    1 is the same image.
    """

    compares = "truth"
    better = "higher"

    def __call__(self, translations: Tensor, references: Tensor, /) -> Tensor:
        """Return one number an image, `(N,)`, for two `(N, C, H, W)` batches in [0, 1]."""
        shortest = min(*translations.shape[-2:], _WINDOW)
        window = shortest - (1 - shortest % 2)
        similarity: Tensor = ssim(translations, references, window, max_val=1.0, eps=0.0, padding="valid")
        return similarity.mean((1, 2, 3))
