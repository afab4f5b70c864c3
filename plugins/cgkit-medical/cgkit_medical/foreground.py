"""Which slices of a volume show something."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.1
"""Share of the way from the lowest value to the 99th percentile above which a voxel is foreground."""


def filled_slices(stack: NDArray[Any], padding: NDArray[np.bool_], least: float) -> list[int]:
    """Return the slices in which more than a share `least` of the pixels is foreground; all slices if none is.

    A pixel is foreground if it is no padding and its value is more than a tenth of the way from the lowest value of the
    volume to its 99th percentile. Air, at -1000 Hounsfield units or at 0, is not.

    Args:
        stack: the slices, `(slices, rows, columns)`.
        padding: which of the pixels are padding.
        least: the share of pixels, from 0 to 1.
    """
    threshold = _threshold(stack, padding)
    shares = [float(np.mean((one > threshold) & ~own)) for one, own in zip(stack, padding, strict=True)]
    return [index for index, share in enumerate(shares) if share > least] or list(range(len(stack)))


def _threshold(stack: NDArray[Any], padding: NDArray[np.bool_]) -> float:
    step = max(1, round((stack.size / 1e6) ** (1 / 3)))  # a million voxels are enough for a percentile
    coarse = stack[::step, ::step, ::step]
    values = coarse[~padding[::step, ::step, ::step]]
    if not values.size:
        return np.inf
    low, high = float(values.min()), float(np.percentile(values, 99))
    return low + LEVEL * (high - low)
