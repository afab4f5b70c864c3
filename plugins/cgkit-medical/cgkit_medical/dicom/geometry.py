"""Where the slices of a DICOM series are, and whether they form a volume (PS3.3, C.7.6.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cgkit.errors import DataError
from cgkit_medical.volume import Affine, check_affine

UNEVEN = 0.02
"""Share of the distance of slices by which a distance may differ; some scanners round positions to 0.01 mm."""

TILT = 0.01
"""Tangent of the largest angle between the normal of the slices and the line of their positions: half a degree."""

CONSTANT = ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient")
"""The tags that all slices share."""


def has_place(attributes: Dataset) -> bool:
    """Return whether a file says where its image is."""
    needed = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SeriesInstanceUID")
    return all(attributes.get(name) for name in needed)


def in_order(slices: Sequence[Dataset]) -> tuple[list[int], Affine]:
    """Return the order of slices along their normal, and the affine of the volume whose k counts them.

    Raises:
        DataError: the slices form no volume.
    """
    _check_constant(slices)
    first = slices[0]
    row, column = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(row, column)
    positions = np.array([one.ImagePositionPatient for one in slices], float)
    heights = positions @ normal
    order = [int(index) for index in np.argsort(heights, kind="stable")]
    step = _step(positions[order], heights[order], normal)
    down, across = (float(number) for number in first.PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = row * across, column * down, step
    affine[:3, 3] = positions[order[0]]
    return order, check_affine(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


def _check_constant(slices: Sequence[Dataset]) -> None:
    for name in CONSTANT:
        values = np.array([np.atleast_1d(np.array(one[name].value, float)) for one in slices])
        if (wrong := np.abs(values - values[0]).max(axis=1) > 1e-3).any():
            other = slices[int(np.argmax(wrong))]
            raise DataError(
                f"its slices differ in {name}: {slices[0][name].value} and {other[name].value}",
                hint="put the slices of one size and direction into a folder of their own, without localizers",
            )


def _step(
    positions: NDArray[np.float64], heights: NDArray[np.float64], normal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the vector from one slice to the next.

    Raises:
        DataError: it is not the same for all slices, or not perpendicular to them.
    """
    distances = np.diff(heights)
    usual = float(np.median(distances))
    if (same := distances < 1e-3).any():
        where = float(heights[int(np.argmax(same))])
        raise DataError(
            f"has several slices at the same place, {where:g} mm: perhaps phases or echoes",
            hint="put each phase or echo into a folder of its own",
        )
    step: NDArray[np.float64] = (positions[-1] - positions[0]) / len(distances)
    across = step - normal * (step @ normal)
    if np.linalg.norm(across) > TILT * usual:
        raise DataError(
            "was taken with a tilted gantry: its slices are shifted against each other",
            hint="resample it to upright slices, for example with dcm2niix, which writes *_Tilt_1.nii.gz",
        )
    far = np.abs(distances - usual) > UNEVEN * usual
    if far.any():
        place = int(np.argmax(far))
        between = f"{heights[place]:g} and {heights[place + 1]:g} mm"
        missing = distances[place] / usual
        if abs(missing - round(missing)) < UNEVEN * missing and round(missing) > 1:
            count = round(missing) - 1
            slices = f"{count} slice{'s' * (count > 1)}"
            hint = "copy the missing files, or move the slices on one side of the gap into another folder"
            raise DataError(f"lacks {slices} between {between}, where slices are {usual:g} mm apart", hint=hint)
        raise DataError(
            f"has slices at uneven distances: {distances[place]:g} mm between {between}, usually {usual:g} mm",
            hint="resample it to even distances, for example with dcm2niix, which writes *_Eq_1.nii.gz",
        )
    return step
