"""Where a slide shows tissue."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

STAINED = 25
"""How much the brightest and the darkest channel of 8 bits differ where there is tissue."""


def tissue_in(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which pixels are stained, `(H, W)`: those with colour. All are in images other than 8-bit colour.

    Args:
        values: the pixels, `(H, W, channels)`.
    """
    if values.shape[-1] != 3 or values.dtype != np.uint8:
        return np.ones(values.shape[:2], bool)
    stained: NDArray[np.bool_] = values.max(axis=-1) - values.min(axis=-1) > STAINED
    return stained
