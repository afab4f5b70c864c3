"""NIfTI volumes: `.nii` and `.nii.gz`."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray

from cgkit.errors import DataError
from cgkit_medical.rescaling import rescale, rescaled_depth, whole_range
from cgkit_medical.volume import Volume, check_affine, spatial_shape
from cgkit_medical.volume_files import MADE_BY, VolumeFiles

_FROM_DICOM = 2
"""The code of header extensions that hold DICOM tags, which may name the patient."""


class Nifti(VolumeFiles):
    """NIfTI volumes, compressed or not."""

    suffixes = (".nii.gz", ".nii")

    def recognises(self, start: bytes) -> bool:
        """Return whether a file starts like a NIfTI file of either version, compressed or not."""
        if start.startswith(b"\x1f\x8b"):
            try:
                start = zlib.decompressobj(wbits=31).decompress(start, 352)
            except zlib.error:
                return False
        magic = start[344:348], start[4:12]
        return magic[0] == b"n+1\0" or magic[1] == b"n+2\0\r\n\x1a\n"

    def open_volume(self, path: Path) -> Volume:
        """Read the header of a file."""
        return open_nifti(path)


def open_nifti(path: Path) -> Volume:
    """Read the header of a NIfTI file.

    Raises:
        DataError: it holds no grey volume.
    """
    try:
        image: Any = nibabel.load(path)
    except ImageFileError as error:
        raise ValueError(str(error)) from error
    if not isinstance(image, Nifti1Image):  # which NIfTI-2 images are too
        raise DataError("is no NIfTI file in one part", hint="save it as .nii.gz")
    shape = spatial_shape(image.shape)
    header: Any = image.header  # nibabel has no types for these two
    data: Any = image.dataobj
    stored = header.get_data_dtype()
    if stored.kind not in "iuf" or stored.itemsize > 8:
        kind = "colours" if stored.fields else "complex numbers" if stored.kind == "c" else str(stored)
        raise DataError(f"holds {kind}, not grey values", hint="save one volume for each component")
    own = stored.newbyteorder("=").name
    slope, intercept = (float(number) for number in (data.slope, data.inter))
    depth = rescaled_depth(own, whole_range(own), slope, intercept)
    return Volume(
        shape,
        check_affine(np.asarray(image.affine, np.float64)),
        depth,
        partial(_read, path, shape, depth),
        partial(_write, path),
    )


def _read(path: Path, shape: tuple[int, int, int], depth: str) -> NDArray[Any]:
    image: Any = nibabel.load(path)
    stored = image.dataobj.get_unscaled()
    native = np.asarray(stored, stored.dtype.newbyteorder("=")).reshape(shape, order="F")
    return rescale(native, depth, image.dataobj.slope, image.dataobj.inter)


def _write(source: Path, target: Path, values: NDArray[Any], padding: float | None) -> Sequence[str]:
    original: Any = nibabel.load(source)
    header = original.header.copy()
    remarks = []
    kept = [extension for extension in header.extensions if extension.get_code() != _FROM_DICOM]
    if len(kept) < len(header.extensions):
        remarks.append("the DICOM tags in its header are left out, since they may name the patient")
        header.extensions[:] = kept
    header.set_data_dtype(values.dtype)
    header.set_slope_inter(1, 0)
    header["cal_min"] = header["cal_max"] = 0  # the window of the original
    header.set_intent("none")
    header["descrip"] = MADE_BY.encode()
    image = type(original)(values.reshape(original.shape, order="F"), None, header)
    image.to_filename(target)
    return remarks
