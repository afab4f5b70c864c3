"""Images saved as NumPy arrays: `.npy` files, or one array of an `.npz` file."""

from __future__ import annotations

import zipfile
from functools import partial
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from cgkit.components.formats.axes import as_stored
from cgkit.contracts import ImageHeader, Layout, OpenImage, Reading
from cgkit.errors import DataError

_MOST_COLOURS = 4
_LEAST_SIDE = 16
"""An array that is at most 4 pixels high, but at least 16 wide and deep, has its channels first."""

_MAX_HEADER = 10_000  # bytes; NumPy parses the header as a Python literal, which is unsafe for very long texts


class Npy:
    """NumPy arrays in `.npy` files, with values of any real type and any number of channels."""

    suffixes = (".npy",)

    def recognises(self, start: bytes) -> bool:
        """Return whether a file starts like an `.npy` file."""
        return start.startswith(npy.MAGIC_PREFIX)

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Read the header of an array."""
        length = stream.seek(0, 2)
        stream.seek(0)
        return _read_header(stream, length, "NPY", reading)

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return true: an array can store every image."""
        return True

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        """Write an array of shape `(H, W, C)`, or `(H, W)` for one channel."""
        np.save(stream, as_stored(values))


class Npz:
    """One NumPy array in an `.npz` file, which is compressed when written."""

    suffixes = (".npz",)

    def recognises(self, start: bytes) -> bool:
        """Return whether a file starts like a zip archive."""
        return start.startswith(b"PK\x03\x04")

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Read the header of the only array, or of the one that `reading` names."""
        archive = zipfile.ZipFile(stream)
        member = _find_member(archive, reading.array)
        return _read_header(archive.open(member), member.file_size, "NPZ", reading)

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return true: an array can store every image."""
        return True

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        """Write an array named `image` of shape `(H, W, C)`, or `(H, W)` for one channel."""
        np.savez_compressed(stream, image=as_stored(values))


def _find_member(archive: zipfile.ZipFile, wanted: str | None) -> zipfile.ZipInfo:
    arrays = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
    if len(arrays) == 1 and (wanted is None or wanted in arrays):
        member = next(iter(arrays.values()))
    elif wanted in arrays:
        member = arrays[wanted or ""]
    else:
        names = ", ".join(sorted(map(repr, arrays))[:5]) or "none"
        raise DataError(f"contains these arrays: {names}", hint="choose one with data.array = NAME")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError("is compressed with a method that NumPy never uses")
    return member


def _read_header(stream: IO[bytes], length: int, file_format: str, reading: Reading) -> OpenImage:
    version = npy.read_magic(stream)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise DataError(f"has version {version[0]}.{version[1]} of the array format; only 1.0 and 2.0 are supported")
    shape, fortran, dtype = readers[version](stream, max_header_size=_MAX_HEADER)
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise DataError(f"contains {'Python objects' if dtype.hasobject else dtype} instead of real numbers")
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise DataError(f"contains an array of shape {shape}", hint="the shape must be (H, W) or (H, W, channels)")
    height, width, channels = (*shape, 1)[:3]
    if height <= _MOST_COLOURS and min(width, channels) >= _LEAST_SIDE:
        remedy = "save it with the channels last: np.moveaxis(array, 0, -1)"
        raise DataError(f"contains an array of shape {shape}, which looks like (channels, H, W)", hint=remedy)
    size = height * width * channels * dtype.itemsize
    if length - stream.tell() < size:
        raise ValueError("some of its data is missing")
    alpha = channels == reading.alpha_of
    layout: Layout = "grey" if channels - alpha == 1 else "colour" if alpha else "bands"
    header = ImageHeader(width, height, channels, file_format, dtype.name, layout, alpha)
    return OpenImage(header, partial(_read_values, stream, size, dtype, (height, width, channels), fortran))


def _read_values(
    stream: IO[bytes], size: int, dtype: np.dtype[Any], shape: tuple[int, int, int], fortran: bool
) -> NDArray[Any]:
    content = stream.read(size)
    if len(content) < size:
        raise ValueError("some of its data is missing")
    values = np.frombuffer(content, dtype).astype(dtype.newbyteorder("="), copy=False)
    return values.reshape(shape, order="F" if fortran else "C")
