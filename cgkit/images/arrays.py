"""Images as NumPy saves arrays: `.npy`, and `.npz` with one array, or with the one that is named."""

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
from cgkit.images.header import EncodedImage, ImageHeader, Layout, OpenImage, stream_of
from cgkit.images.pixels import PixelFormat

NPY_MAGIC = npy.MAGIC_PREFIX
NPZ_MAGIC = b"PK\x03\x04"
_LONGEST_HEADER = 10_000
"""Of what NumPy writes about an array before its values, in bytes; it evaluates that text as a Python literal."""

_STORED, _DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


@contextmanager
def open_npy(file: Path | EncodedImage, pixels: PixelFormat) -> Iterator[OpenImage]:
    """Yield an `.npy` file, its values not yet read.

    Raises:
        DataError: it holds no image: objects, another number of axes.
    """
    with stream_of(file) as stream:
        length = stream.seek(0, 2)
        stream.seek(0)
        yield _opened(stream, length, "NPY", pixels)


@contextmanager
def open_npz(file: Path | EncodedImage, pixels: PixelFormat) -> Iterator[OpenImage]:
    """Yield the only array of an `.npz` file, or the one that `pixels.array` names, its values not yet read.

    Raises:
        DataError: there is no such array, or it holds no image.
    """
    with stream_of(file) as stream, zipfile.ZipFile(stream) as archive:
        member = _member(archive, pixels.array)
        with archive.open(member) as content:
            yield _opened(content, member.file_size, "NPZ", pixels)


def _member(archive: zipfile.ZipFile, wanted: str | None) -> zipfile.ZipInfo:
    arrays = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
    if len(arrays) == 1 and (wanted is None or wanted in arrays):
        member = next(iter(arrays.values()))
    elif wanted in arrays:
        member = arrays[wanted or ""]
    else:
        found = ", ".join(sorted(map(repr, arrays))[:5]) or "none"
        raise DataError(f"holds the arrays {found}", hint="say which with data.array = NAME")
    if member.compress_type not in (_STORED, _DEFLATED):
        raise DataError("is compressed in a way that NumPy never uses")
    return member


def _opened(stream: IO[bytes], length: int, file_format: str, pixels: PixelFormat) -> OpenImage:
    version = npy.read_magic(stream)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise DataError(f"is of version {version[0]}.{version[1]} of the format, which no plain array needs")
    shape, fortran, dtype = readers[version](stream, max_header_size=_LONGEST_HEADER)
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise DataError(f"holds {'objects' if dtype.hasobject else dtype}, not numbers")
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise DataError(f"holds an array of shape {shape}", hint="images are (H, W) or (H, W, channels)")
    height, width, channels = (*shape, 1)[:3]
    size = height * width * channels * dtype.itemsize
    if length - stream.tell() < size:
        raise DataError("damaged or cut short: some of its data is missing", hint="mend or remove it")
    alpha = pixels.has_alpha and channels == pixels.channels
    layout: Layout = "grey" if channels - alpha == 1 else "colour" if alpha else "bands"
    header = ImageHeader(width, height, channels, file_format, dtype.name, layout, alpha)
    return OpenImage(header, partial(_values, stream, size, dtype, (height, width, channels), fortran))


def _values(
    stream: IO[bytes], size: int, dtype: np.dtype[Any], shape: tuple[int, int, int], fortran: bool
) -> NDArray[Any]:
    content = stream.read(size)
    if len(content) < size:
        raise DataError("damaged or cut short: some of its data is missing", hint="mend or remove it")
    values = np.frombuffer(content, dtype).astype(dtype.newbyteorder("="), copy=False)
    return values.reshape(shape, order="F" if fortran else "C")
