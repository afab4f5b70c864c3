"""The axes of arrays in files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_stored(values: NDArray[Any]) -> NDArray[Any]:
    """Return `(H, W, C)` values as most formats store them: contiguous, and `(H, W)` if there is one channel."""
    return np.ascontiguousarray(values[..., 0] if values.shape[-1] == 1 else values)
