"""JPEG: with Pillow, or with imagecodecs if it is lossless or has more than 8 bits per channel."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgkit.components.formats.optional_libraries import library
from cgkit.components.formats.pillow import PillowFormat
from cgkit.contracts import ImageHeader, OpenImage, Reading
from cgkit.errors import DataError

_READ_BY_PILLOW = ((0xC0, 8), (0xC1, 8), (0xC2, 8))
"""Marker and bits of the processes that Pillow decodes: baseline, extended, progressive."""

_SCAN = b"\xff\xda"
"""The marker of a scan, which never occurs in the compressed values."""

MAX_SCANS = 1000
"""Programs write about ten scans; a thousand of them allow for pictures inside the picture."""

_NO_FRAMES = (0xC4, 0xC8, 0xCC)
"""Markers among those of frames that start something else."""


class Jpeg(PillowFormat):
    """JPEG, which is lossy; translations are written with quality 95."""

    name = "JPEG"
    lossy = True
    suffixes = (".jpg", ".jpeg", ".jfif", ".jpe")
    options: ClassVar[Mapping[str, Any]] = {"quality": 95, "subsampling": 0}

    def recognises(self, start: bytes) -> bool:
        """Return whether a file starts like a JPEG file."""
        return start.startswith(b"\xff\xd8\xff")

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Read the header of a file; of several pictures in it, as phones write them, of the first."""
        frame = _read_frame(stream)
        if (frame.process, frame.bits) in _READ_BY_PILLOW:
            opened = super().open(stream, reading)
            return replace(opened, decode=lambda: _decode_few_scans(stream, opened))
        return _open_deep(stream, frame)


def _decode_few_scans(stream: BinaryIO, opened: OpenImage) -> NDArray[Any]:
    """Decode an image, unless a small file would keep the decoder busy for minutes with thousands of scans.

    Raises:
        DataError: there are too many scans.
    """
    place, scans, last = stream.tell(), 0, b""
    stream.seek(0)
    while part := stream.read(1 << 20):
        scans, last = scans + (last + part).count(_SCAN), part[-1:]
    stream.seek(place)
    if scans > MAX_SCANS:
        raise DataError(f"has {scans} scans; the limit is {MAX_SCANS}", hint="save it again")
    return opened.decode()


class _Frame(NamedTuple):
    process: int
    bits: int
    height: int
    width: int
    channels: int


def _read_frame(stream: BinaryIO) -> _Frame:
    """Return the header of the first frame.

    Raises:
        ValueError: there is none.
    """
    stream.seek(2)
    try:
        while (marker := stream.read(2))[:1] == b"\xff":
            if marker[1] == 0xFF:  # a fill byte
                stream.seek(-1, 1)
            elif 0xC0 <= marker[1] <= 0xCF and marker[1] not in _NO_FRAMES:
                return _Frame(marker[1], *struct.unpack(">2xBHHB", stream.read(8)))
            else:
                length = int.from_bytes(stream.read(2))
                stream.seek(length - 2, 1)
        raise ValueError("its header cannot be read")
    except (IndexError, struct.error):
        raise ValueError("its header cannot be read") from None
    finally:
        stream.seek(0)


def _open_deep(stream: BinaryIO, frame: _Frame) -> OpenImage:
    """Open a lossless JPEG file, or one with more than 8 bits per channel.

    Raises:
        DataError: imagecodecs is not installed, or the file has another number of channels than 1 or 3.
    """
    _, bits, height, width, channels = frame
    codecs = library("imagecodecs", f"JPEG of {bits} bits" if bits > 8 else "this kind of JPEG")
    if channels not in (1, 3):
        raise DataError(
            f"is a JPEG of {bits} bits with {channels} channels, which is not read", hint="convert it to TIFF"
        )
    depth = "uint8" if bits <= 8 else "uint16"
    header = ImageHeader(width, height, channels, "JPEG", depth, "grey" if channels == 1 else "colour")

    def decode() -> NDArray[Any]:
        stream.seek(0)
        values = np.asarray(codecs.jpeg_decode(stream.read())).reshape(height, width, channels)
        if not 8 < bits < 16:
            return values
        # White is the highest value of the bits in use, so values are scaled to those of 16 bits.
        scaled: NDArray[Any] = np.rint(values * (65_535 / (2**bits - 1))).astype(np.uint16)
        return scaled

    return OpenImage(header, decode)
