"""The EXIF data of TIFF files, in which they are tags among those that say how the pixels are stored."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from cgkit.components.formats.metadata import DAMAGE, encode_exif, warn_of_loss, without_warnings

_DIRECTORIES = {int(ExifTags.IFD.Exif), int(ExifTags.IFD.GPSInfo)}
"""The tags that refer to directories of further tags: how and where a photograph was taken."""

_TEXTS = {
    int(tag)
    for tag in (
        ExifTags.Base.Make,
        ExifTags.Base.Model,
        ExifTags.Base.Software,
        ExifTags.Base.DateTime,
        ExifTags.Base.Artist,
        ExifTags.Base.Copyright,
    )
}
_ASCII, _LONG = 2, 4  # types of values
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}


def exif_of_tiff(stream: BinaryIO) -> dict[str, Any]:
    """Return the EXIF data of a TIFF file as an argument of Pillow's `save`; nothing if there are none."""
    try:
        with without_warnings():
            tags = Image.Exif()
            stream.seek(0)
            tags.load_from_fp(stream)
            exif = Image.Exif()
            for code in _TEXTS & set(tags):
                exif[code] = tags[code]
            for code in _DIRECTORIES:
                if directory := tags.get_ifd(code):
                    exif.get_ifd(code).update(directory)
            return encode_exif(exif)
    except DAMAGE:
        return {}


def add_exif(stream: BinaryIO, encoded: bytes) -> None:
    """Add EXIF data to a TIFF file that has been written, by a new directory of tags at its end.

    Neither tifffile nor, for compressed files, Pillow writes the directories of EXIF data.
    """
    stream.seek(0)
    signature, start = stream.read(4), stream.read(4)
    if (order := _BYTE_ORDERS.get(signature)) is None:  # BigTIFF, which no image needs that cgkit accepts
        return
    stream.seek(*struct.unpack(f"{order}I", start))
    (count,) = struct.unpack(f"{order}H", stream.read(2))
    entries = dict(struct.unpack(f"{order}H10s", stream.read(12)) for _ in range(count))
    following = stream.read(4)
    with without_warnings():
        exif = Image.Exif()
        exif.load(encoded)
        directories = {code: exif.get_ifd(code) for code in _DIRECTORIES}
    for code in _TEXTS & set(exif):
        text = str(exif[code]).encode("latin-1", "replace") + b"\0"
        value = text.ljust(4, b"\0") if len(text) <= 4 else struct.pack(f"{order}I", _append(stream, text))
        entries[code] = struct.pack(f"{order}HI", _ASCII, len(text)) + value
    for code, tags in directories.items():
        place = stream.seek(0, 2)
        if content := _encode_directory(tags, signature[:2], place + place % 2):
            entries[code] = struct.pack(f"{order}HII", _LONG, 1, _append(stream, content))
    table = b"".join(struct.pack(f"{order}H10s", code, entries[code]) for code in sorted(entries))
    place = _append(stream, struct.pack(f"{order}H", len(entries)) + table + following)
    stream.seek(4)
    stream.write(struct.pack(f"{order}I", place))


def _encode_directory(tags: Mapping[int, Any], byte_order: bytes, place: int) -> bytes:
    """Return a directory as it is stored at a place in a file; nothing if it is empty or damaged."""
    directory = ImageFileDirectory_v2(prefix=byte_order)
    try:
        for code, value in tags.items():
            directory[code] = value
        return directory.tobytes(place) if tags else b""
    except DAMAGE:
        warn_of_loss("its EXIF data, or a part of them, which are damaged")
        return b""


def _append(stream: BinaryIO, content: bytes) -> int:
    """Write at the end of a file, at an even place, which is returned."""
    place = stream.seek(0, 2)
    stream.write(bytes(place % 2) + content)
    return place + place % 2
