"""Structural similarity."""

from __future__ import annotations

from kornia.metrics import ssim
from torch import Tensor

_WINDOW = 11


class Ssim:
    """Structural similarity to the ground truth (Wang et al., 2004).

    As in "Image quality assessment: from error visibility to structural similarity", the Gaussian window has 11 x 11
    pixels and a standard deviation of 1.5, and the result is the mean over channels and all positions where the window
    fits into the image. If a side of the image is shorter than 11 pixels, the window's side is the largest odd number
    of pixels that fits. The similarity of equal images is 1.
    """

    compares = "truth"
    better = "higher"

    def __call__(self, translations: Tensor, references: Tensor, /) -> Tensor:
        """Return one number per image, `(N,)`, for two `(N, C, H, W)` batches in [0, 1]."""
        shortest = min(*translations.shape[-2:], _WINDOW)
        window = shortest - (1 - shortest % 2)
        similarity: Tensor = ssim(translations, references, window, max_val=1.0, eps=0.0, padding="valid")
        return similarity.mean((1, 2, 3))
