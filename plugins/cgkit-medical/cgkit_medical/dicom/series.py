"""A folder of DICOM files that are the slices of one series, as a volume."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset

from cgkit.errors import DataError
from cgkit_medical.dicom.attributes import read_attributes
from cgkit_medical.dicom.derived import Derivation, write_series
from cgkit_medical.dicom.geometry import has_place, in_order
from cgkit_medical.dicom.pixels import Stored
from cgkit_medical.volume import Interval, Volume

SUFFIXES = (".dcm", ".dicom", ".ima")
IDENTITY = ("SeriesInstanceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "NumberOfFrames")


def dicom_files(folder: Path) -> list[Path]:
    """Return the DICOM files of a folder, sorted by name: those with a usual suffix, and those without any.

    Scanners write names such as `IM0001` and `1.2.840.113619`; what such files contain decides.
    """
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file())
    return [folder / name for name in names if name.lower().endswith(SUFFIXES) or _is_dicom(folder / name)]


def is_series(folder: Path) -> bool:
    """Return whether a folder holds at least two slices of a series that say where they are."""
    seen: set[str] = set()
    for attributes in _identities(folder):
        if has_place(attributes):
            if attributes.SeriesInstanceUID in seen:
                return True
            seen.add(attributes.SeriesInstanceUID)
    return False


def open_series(folder: Path, derivation: Derivation | None = None) -> Volume:
    """Read the tags of all slices, and sort them by position.

    Args:
        folder: the folder, whose subfolders do not count.
        derivation: how translations are written.

    Raises:
        DataError: the files are not the slices of one volume.
    """
    files = dicom_files(folder)
    slices = [_read_tags(file) for file in files]
    _check_one_series(slices)
    order, affine = in_order(slices)
    files, slices = [files[index] for index in order], [slices[index] for index in order]
    stored = [Stored.of(one) for one in slices]
    depth = _common_depth(stored)
    first = slices[0]
    shape = int(first.Columns), int(first.Rows), len(slices)
    return Volume(
        shape,
        affine,
        depth,
        partial(_read, files, stored, shape, depth),
        partial(write_series, slices, files, derivation or Derivation()),
        str(first.get("PatientID") or "") or None,
        tuple(sorted({interval for pair in zip(slices, stored, strict=True) for interval in _padding(*pair)})),
    )


def _is_dicom(file: Path) -> bool:
    stem, dot, suffix = file.name.rpartition(".")
    if dot and stem and not suffix.isdigit():  # a number ends a UID
        return False
    with file.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _identities(folder: Path) -> Iterator[FileDataset]:
    for file in dicom_files(folder):
        try:
            yield pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(IDENTITY))
        except Exception:  # noqa: BLE001 - a damaged file; reading it as an image or a slice says so
            continue


def _read_tags(file: Path) -> FileDataset:
    try:
        with file.open("rb") as stream:
            attributes = read_attributes(stream)
    except DataError as error:
        raise DataError(f"{file.name} {error.message}", hint=error.hint) from error
    except Exception as error:
        raise DataError(f"{file.name} is damaged: {error}", hint="copy it again, or remove the folder") from error
    if attributes.SamplesPerPixel != 1:
        raise DataError(f"{file.name} is in colour, not grey", hint="put it into another folder")
    return attributes


def _check_one_series(slices: list[FileDataset]) -> None:
    """Refuse files of several series, and files without a place.

    Raises:
        DataError: with the names of the series.
    """
    counts = Counter(str(one.get("SeriesInstanceUID", "")) for one in slices)
    if len(counts) > 1:
        named = {str(one.get("SeriesInstanceUID", "")): _describe(one) for one in slices}
        each = ", ".join(f"{named[uid]} ({count} file{'s' * (count > 1)})" for uid, count in counts.most_common())
        raise DataError(f"mixes {len(counts)} series: {each}", hint="put each series into a folder of its own")
    if len(slices) < 2:
        raise DataError("has only one slice", hint="translate it as an image: name the file")
    if not all(map(has_place, slices)):
        raise DataError("has slices that do not say where they are", hint="convert it, for example with dcm2niix")


def _describe(attributes: FileDataset) -> str:
    words = (attributes.get("Modality"), attributes.get("SeriesNumber"), attributes.get("SeriesDescription"))
    return " ".join(str(word) for word in words if word not in (None, "")) or "one without a description"


def _common_depth(stored: list[Stored]) -> str:
    depths = {one.depth for one in stored}
    if len(depths) == 1:
        return depths.pop()
    common = np.result_type(*depths).name
    return common if common in ("int16", "uint16", "int32", "uint32") else "float32"


def _padding(attributes: FileDataset, stored: Stored) -> list[Interval]:
    """Return the values that the tags declare to be padding, as the modality would have measured them."""
    ends = [attributes.get(name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    given = [int(end) for end in ends if end is not None]
    if not given or ends[0] is None:
        return []
    values = stored.convert(np.array(given).astype(stored.own_depth).reshape(-1, 1, 1)).astype(float)
    return [(float(values.min()), float(values.max()))]


def _read(files: list[Path], stored: list[Stored], shape: tuple[int, int, int], depth: str) -> NDArray[Any]:
    values = np.empty(shape, depth, order="F")
    for index, (file, own) in enumerate(zip(files, stored, strict=True)):
        try:
            with file.open("rb") as stream:
                values[..., index] = own.read(stream)[..., 0].T
        except Exception as error:
            raise DataError(f"{file.name} is damaged: {error}", hint="copy it again, or remove the folder") from error
    return values
