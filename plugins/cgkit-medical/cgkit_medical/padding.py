"""Padding: voxels outside the image, whose values mean nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgkit_medical.volume import Volume

USUAL = (-2000.0, -2048.0, -3024.0, -32768.0)
"""Values that scanners and converters write around the round field of view of a CT."""


def padding_of(values: NDArray[Any], volume: Volume, declared: Sequence[float] | None = None) -> NDArray[np.bool_]:
    """Return which voxels are padding.

    These are infinities and NaN, the values that the header declares, and those that the user declares. If the user
    declares none, the lowest value of the volume is padding if it is one of `USUAL`.
    """
    finite = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
    mask = ~finite
    for low, high in volume.padding:
        mask |= (values >= low) & (values <= high)
    for value in usual_padding(values, finite) if declared is None else declared:
        mask |= values == value
    return mask


def usual_padding(values: NDArray[Any], finite: NDArray[np.bool_]) -> list[float]:
    """Return the lowest value if it usually means padding."""
    lowest = float(np.min(values, where=finite, initial=np.inf)) if values.dtype.kind == "f" else float(values.min())
    return [lowest] if lowest in USUAL else []


def without_padding(values: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Return values in which padding is so low that every range clamps it to its low end."""
    if not mask.any():
        return values
    lowest = -1e30 if values.dtype.kind == "f" else np.iinfo(values.dtype).min
    return np.where(mask, np.asarray(lowest, values.dtype), values)


def restore(
    written: NDArray[Any], values: NDArray[Any], mask: NDArray[np.bool_], low: float
) -> tuple[int, float | None]:
    """Write the padding of a volume unchanged into its translation; if its type cannot hold it, write `low`.

    Returns:
        the number of voxels whose padding the type of the translation cannot hold; and the value of the padding that
        was written if it is a single number.
    """
    padding = values[mask]
    if written.dtype.kind == "f":
        held = np.ones(padding.shape, bool)
    else:
        limits = np.iinfo(written.dtype)
        with np.errstate(invalid="ignore"):
            held = np.isfinite(padding) & (padding >= limits.min) & (padding <= limits.max)
            held &= padding == np.rint(padding)
    written[mask] = low
    where = mask.copy()
    where[mask] = held
    written[where] = padding[held].astype(written.dtype)
    distinct = np.unique(padding[held])
    single = float(distinct[0]) if len(distinct) == 1 and np.isfinite(distinct[0]) else None
    return int((~held).sum()), single
