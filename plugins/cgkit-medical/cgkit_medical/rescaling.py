"""Slope and intercept: from stored values to those that were measured, such as Hounsfield units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

INTEGERS = ("uint8", "int16", "uint16", "int32", "uint32")
"""The types for rescaled values, from the smallest to the largest."""


def rescaled_depth(own: str, ends: tuple[float, float], slope: float, intercept: float) -> str:
    """Return the smallest type for rescaled values: an integer as long as rescaling gives integers, else float32.

    Args:
        own: the type in which values are stored.
        ends: the lowest and highest value that can be stored.
        slope: the factor of stored values.
        intercept: the value of a stored zero.
    """
    if (slope, intercept) == (1.0, 0.0):
        return own
    if np.issubdtype(own, np.integer) and float(slope).is_integer() and float(intercept).is_integer():
        low, high = sorted(end * slope + intercept for end in ends)
        for depth in INTEGERS:
            if np.iinfo(depth).min <= low and high <= np.iinfo(depth).max:
                return depth
    return "float32"


def rescale(values: NDArray[Any], depth: str, slope: float, intercept: float) -> NDArray[Any]:
    """Return stored values times the slope plus the intercept, in a type from `rescaled_depth`."""
    if (slope, intercept) == (1.0, 0.0):
        return values.astype(depth, copy=False)
    rescaled = np.empty(values.shape, depth, order="F")
    for index in range(values.shape[-1]):  # since a whole volume in float64 would need much memory
        rescaled[..., index] = values[..., index] * float(slope) + float(intercept)
    return rescaled


def whole_range(depth: str) -> tuple[float, float]:
    """Return the lowest and highest value of an integer type; (0, 0) for floats."""
    if not np.issubdtype(depth, np.integer):
        return 0.0, 0.0
    return float(np.iinfo(depth).min), float(np.iinfo(depth).max)
