"""Slices of a volume: along which axis, and which way up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from nibabel.orientations import aff2axcodes, io_orientation
from numpy.typing import NDArray

from cgkit_medical.volume import Affine

Axis = Literal["axial", "coronal", "sagittal", "i", "j", "k"]
"""The direction in which slices follow each other: a plane of the body, or an axis of the stored array."""

AXES: tuple[Axis, ...] = get_args(Axis)

TOWARDS = {"axial": "SPL", "coronal": "PIL", "sagittal": "LIP"}
"""Towards what slices, rows and columns count: superior or inferior, posterior, left. Slices look as on a viewer."""

RAS = "RAS"
OPPOSITE = {"L": "R", "P": "A", "I": "S"}


def as_stack(values: NDArray[Any], affine: Affine, axis: Axis) -> NDArray[Any]:
    """Return a view `(slices, rows, columns)` of a volume; what is written to it changes the volume.

    Of an oblique volume, the axis that is nearest to the plane of the body is taken.
    """
    order, steps = _layout(affine, axis)
    return values.transpose(order)[tuple(slice(None, None, step) for step in steps)]


def stack_spacing(affine: Affine, axis: Axis) -> tuple[float, float, float]:
    """Return the distances of slices, rows and columns in millimetres."""
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    slices, rows, columns = (float(spacing[index]) for index in _layout(affine, axis)[0])
    return slices, rows, columns


def stack_shape(shape: Sequence[int], affine: Affine, axis: Axis) -> tuple[int, int, int]:
    """Return the number of slices, rows and columns."""
    slices, rows, columns = (shape[index] for index in _layout(affine, axis)[0])
    return slices, rows, columns


def orientation(affine: Affine) -> str:
    """Return towards what i, j and k count, as nibabel writes it: `RAS` is right, anterior, superior."""
    return "".join(aff2axcodes(affine))  # type: ignore[no-untyped-call]


def with_neighbours(stack: NDArray[Any], index: int, neighbours: int) -> NDArray[Any]:
    """Return a slice between its neighbours as `(H, W, 2 * neighbours + 1)`; the first and last slice are repeated."""
    indices = np.clip(np.arange(index - neighbours, index + neighbours + 1), 0, len(stack) - 1)
    return np.stack([stack[number] for number in indices], axis=-1)


def _layout(affine: Affine, axis: Axis) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return which axes of the array are slices, rows and columns, and in which direction they are followed."""
    if axis in ("i", "j", "k"):
        own = "ijk".index(axis)
        return (own, *(other for other in (2, 1, 0) if other != own)), (1, 1, 1)
    orientations = io_orientation(affine)  # type: ignore[no-untyped-call]  # nibabel has types in part
    order, steps = [], []
    for letter in TOWARDS[axis]:
        body = RAS.index(OPPOSITE.get(letter, letter))
        index = next(number for number, (along, _) in enumerate(orientations) if along == body)
        order.append(index)
        steps.append(int(orientations[index, 1]) * (-1 if letter in OPPOSITE else 1))
    return tuple(order), tuple(steps)
