"""Volumes: what the files of every format have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgkit.errors import DataError

Affine = NDArray[np.float64]
"""The 4 x 4 matrix from voxel indices to millimetres, towards the patient's right, anterior and superior (RAS+)."""

Interval = tuple[float, float]
"""Lowest and highest value, both included."""


@dataclass(frozen=True)
class Volume:
    """A grey volume whose header has been read.

    Attributes:
        shape: number of voxels along i, j and k.
        affine: where the voxels are.
        depth: type of the values, by its NumPy name.
        read: reads the values, an array of that shape and type. Slope and intercept have been applied.
        write: writes other values of the same shape to a path, with everything else that the file says. The arguments
            are the path, the values, and the value that means padding or None. Returns a sentence on each thing that
            was lost or changed.
        patient: what identifies the patient; None if the file does not say.
        padding: values that the header declares to lie outside the image.
    """

    shape: tuple[int, int, int]
    affine: Affine
    depth: str
    read: Callable[[], NDArray[Any]]
    write: Callable[[Path, NDArray[Any], float | None], Sequence[str]]
    patient: str | None = None
    padding: tuple[Interval, ...] = ()

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along i, j and k, in millimetres."""
        i, j, k = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        return float(i), float(j), float(k)

    @property
    def size(self) -> int:
        """Number of bytes of the values."""
        return int(np.prod(self.shape)) * np.dtype(self.depth).itemsize


def spatial_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return the shape of a volume, whose further axes may only have length 1.

    Raises:
        DataError: the array has fewer or more dimensions.
    """
    if len(shape) > 3 and any(length != 1 for length in shape[3:]):
        text = " x ".join(map(str, shape))
        raise DataError(
            f"holds several volumes ({text} values in {len(shape)} dimensions)",
            hint="save each volume in a file of its own, for example with fslsplit or nibabel.funcs.four_to_three",
        )
    if len(shape) < 3:
        raise DataError(f"is an image of {len(shape)} dimensions, not a volume", hint="save it as PNG, TIFF or .npy")
    i, j, k = shape[:3]
    if min(i, j, k) < 1:
        raise ValueError(f"has no voxels: its shape is {i} x {j} x {k}")
    return i, j, k


def check_affine(affine: Affine) -> Affine:
    """Return an affine.

    Raises:
        DataError: it does not give each voxel a place of its own.
    """
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise DataError(
            "does not say where its voxels are: its spacing or its directions are zero",
            hint="set them in the header, for example with nibabel or 3D Slicer",
        )
    return affine
