"""Read images saved as NumPy arrays: `.npy` files, or one array of an `.npz` file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from cgkit.errors import DataError
from cgkit.images.header import EncodedImage, ImageHeader, Layout, OpenImage, open_stream
from cgkit.images.pixels import PixelFormat

NPY_MAGIC = npy.MAGIC_PREFIX
NPZ_MAGIC = b"PK\x03\x04"
_MAX_HEADER = 10_000  # bytes; NumPy parses the header as a Python literal, which is unsafe for very long texts


@contextmanager
def open_npy(file: Path | EncodedImage, pixels: PixelFormat) -> Iterator[OpenImage]:
    """Open an `.npy` file without reading its values.

    Raises:
        DataError: The array is not an image: its values are not real numbers, or it has the wrong number of axes.
        ValueError: The file is damaged.
    """
    with open_stream(file) as stream:
        length = stream.seek(0, 2)
        stream.seek(0)
        yield _read_header(stream, length, "NPY", pixels)


@contextmanager
def open_npz(file: Path | EncodedImage, pixels: PixelFormat) -> Iterator[OpenImage]:
    """Open the only array of an `.npz` file, or the array named `pixels.array`, without reading its values.

    Raises:
        DataError: The file does not contain the requested array, contains several although none is requested, or the
            array is not an image.
        ValueError: The array is damaged.
        zipfile.BadZipFile: The `.npz` file is damaged.
    """
    with open_stream(file) as stream, zipfile.ZipFile(stream) as archive:
        member = _find_member(archive, pixels.array)
        with archive.open(member) as content:
            yield _read_header(content, member.file_size, "NPZ", pixels)


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


def _read_header(stream: IO[bytes], length: int, file_format: str, pixels: PixelFormat) -> OpenImage:
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
    size = height * width * channels * dtype.itemsize
    if length - stream.tell() < size:
        raise ValueError("some of its data is missing")
    alpha = pixels.has_alpha and channels == pixels.channels
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
