"""The similarity of translations to their sources."""

from __future__ import annotations

from torch import Tensor

from cgkit.components.metrics.ssim import Ssim


class SourceSimilarity:
    """Structural similarity of a translation to its source; 1 means that it is a copy.

    Translations that keep nothing of their sources have values near 0. If the ground truth is known, its similarity to
    the source is the value to compare with.
    """

    compares = "source"
    better = None

    def __init__(self) -> None:
        self._similarity = Ssim()

    def __call__(self, translations: Tensor, sources: Tensor, /) -> Tensor:
        """Return one number per image, `(N,)`, for two `(N, C, H, W)` batches in [0, 1]."""
        return self._similarity(translations, sources)
