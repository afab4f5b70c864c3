"""Open a volume of any format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cgkit.errors import DataError
from cgkit_medical.damage import damage_explained
from cgkit_medical.dicom.series import open_series
from cgkit_medical.metaimage import MetaImage, open_metaimage
from cgkit_medical.nifti import Nifti, open_nifti
from cgkit_medical.volume import Volume

SUFFIXES = (*Nifti.suffixes, *MetaImage.suffixes)
"""The suffixes of files that hold a volume each."""


def open_volume(path: Path) -> Volume:
    """Read the header of a volume: a NIfTI or MetaImage file, or a folder with the slices of a DICOM series.

    Raises:
        DataError: it is damaged or not supported; so does `read` of the volume. The message names it.
    """
    open_file = open_series if path.is_dir() else open_metaimage if _is_metaimage(path) else open_nifti
    with _named(path):
        volume: Volume = open_file(path)
    return replace(volume, read=partial(_read, path, volume.read))


def _is_metaimage(path: Path) -> bool:
    return path.name.lower().endswith(MetaImage.suffixes)


def _read(path: Path, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    with _named(path):
        return read()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the volume in errors."""
    try:
        with damage_explained():
            yield
    except DataError as error:
        raise type(error)(f"{path}: {error.message}", hint=error.hint) from error
