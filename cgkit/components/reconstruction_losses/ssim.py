"""The SSIM loss, which compares structure rather than pixels."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from kornia.metrics import ssim
from torch import Tensor

from cgkit.components.layers.sizes import check_size


class SsimLoss:
    """One minus the structural similarity (Wang et al., 2004).

    Images are rescaled from [-1, 1] to [0, 1] and compared through a Gaussian window with a standard deviation of 1.5
    pixels. The result is the mean over channels and over all positions where the window fits into the image.

    Args:
        window: the side of the window in pixels, which must be odd; 11 in the paper.
    """

    def __init__(self, *, window: Annotated[int, Ge(3), Le(99)] = 11) -> None:
        if window % 2 == 0:
            raise ValueError(f"window = {window} is even; the window needs a centre, so give an odd number")
        self.window = window

    def __call__(self, reconstruction: Tensor, target: Tensor, /) -> Tensor:
        """Return the distance between two `(N, C, H, W)` batches, from 0 to 2.

        Raises:
            ValueError: a side of the images is shorter than the window.
        """
        check_size(target, least=self.window)
        similarity: Tensor = ssim((reconstruction + 1) / 2, (target + 1) / 2, self.window, eps=0.0, padding="valid")
        return 1 - similarity.mean()
