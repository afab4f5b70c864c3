"""MetaImage volumes, as ITK writes them: `.mha`, or `.mhd` with the values in a file of their own.

The format is a text of `key = value` lines followed by the values (https://itk.org/Wiki/ITK/MetaIO/Documentation).
SimpleITK reads it too, but takes 260 MB.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgkit.errors import DataError
from cgkit_medical.metaimage_header import DEPTHS, Header, read_header
from cgkit_medical.rescaling import rescale, rescaled_depth, whole_range
from cgkit_medical.volume import Affine, Volume, check_affine, spatial_shape
from cgkit_medical.volume_files import MADE_BY, VolumeFiles

LOCAL = "LOCAL"
"""Where the values are if they follow the header."""


class MetaImage(VolumeFiles):
    """MetaImage volumes, compressed or not."""

    suffixes = (".mha", ".mhd")

    def recognises(self, start: bytes) -> bool:
        """Return whether a file starts with a key that starts every MetaImage header."""
        key, equals, _ = start.partition(b"=")
        return bool(equals) and key.strip() in (b"ObjectType", b"NDims", b"Comment")

    def open_volume(self, path: Path) -> Volume:
        """Read the header of a file."""
        return open_metaimage(path)


def open_metaimage(path: Path) -> Volume:
    """Read the header of a MetaImage file.

    Raises:
        DataError: it holds no grey volume, or its values are in several files.
    """
    header = read_header(path)
    shape = spatial_shape(header.shape)
    if header.channels != 1:
        hint = "save one volume for each component"
        raise DataError(f"holds {header.channels} values per voxel, such as colours, not grey values", hint=hint)
    slope, intercept = header.scaling
    depth = rescaled_depth(header.depth, whole_range(header.depth), slope, intercept)
    return Volume(shape, _affine(header), depth, partial(_read, path, shape, depth), partial(_write, path))


def _affine(header: Header) -> Affine:
    """Return the affine towards right, anterior and superior; MetaImage counts towards left, posterior and superior."""
    affine = np.eye(4)
    affine[:3, :3] = header.directions.T * header.spacing
    affine[:3, 3] = header.offset
    return check_affine(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


def _read(path: Path, shape: tuple[int, int, int], depth: str) -> NDArray[Any]:
    header = read_header(path)
    stored = np.frombuffer(_read_values(path, header), np.dtype(header.byte_order + np.dtype(header.depth).str[1:]))
    native = stored.astype(header.depth, copy=False).reshape(shape, order="F")
    return rescale(native, depth, *header.scaling)


def _read_values(path: Path, header: Header) -> bytes:
    size = int(np.prod(header.shape)) * np.dtype(header.depth).itemsize
    file = path if header.file == LOCAL else path.parent / header.file
    if not file.is_file():
        raise DataError(f"its values should be in {file}, which does not exist", hint="put both files into one folder")
    with file.open("rb") as stream:
        if header.file == LOCAL:
            stream.seek(header.length)
        elif header.skip > 0:
            stream.seek(header.skip)
        elif header.skip < 0:  # the values are at the end
            stream.seek(-size, 2)
        content = zlib.decompressobj().decompress(stream.read(), size) if header.compressed else stream.read(size)
    if len(content) < size:
        raise ValueError(f"{file.name} has only {len(content):,} of {size:,} bytes of values")
    return content


def _write(source: Path, target: Path, values: NDArray[Any], padding: float | None) -> Sequence[str]:
    header = read_header(source)
    content = np.asfortranarray(values).astype(values.dtype.newbyteorder("<")).tobytes(order="F")
    if header.compressed:
        content = zlib.compress(content, 6)
    changed = {
        "Comment": MADE_BY,
        "ElementType": next(name for name, depth in DEPTHS.items() if depth == values.dtype.name),
        "CompressedDataSize": str(len(content)) if header.compressed else None,
        **dict.fromkeys(("BinaryDataByteOrderMSB", "ElementByteOrderMSB"), "False"),
        **dict.fromkeys(("HeaderSize", "ElementMin", "ElementMax")),
        **dict.fromkeys(("ElementToIntensityFunctionSlope", "ElementToIntensityFunctionOffset")),
        "ElementDataFile": LOCAL,
    }
    target.write_bytes(header.text(changed).encode() + content)
    if header.file == LOCAL:
        return ()
    return [f"its values follow the header in the same file, not in one like {header.file}; ITK reads both"]
