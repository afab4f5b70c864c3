"""JPEG: with Pillow, or with imagecodecs if it is lossless or has more than 8 bits per channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

from cgkit.components.formats.optional_libraries import library
from cgkit.components.formats.pillow import PillowFormat
from cgkit.contracts import ImageHeader, OpenImage, Reading
from cgkit.errors import DataError

_READ_BY_PILLOW = ((0xC0, 8), (0xC1, 8), (0xC2, 8))
"""Marker and bits of the processes that Pillow decodes: baseline, extended, progressive."""

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
        process, bits = _read_frame(stream)
        return super().open(stream, reading) if (process, bits) in _READ_BY_PILLOW else _open_deep(stream)


def _read_frame(stream: BinaryIO) -> tuple[int, int]:
    """Return the marker and the bits per channel of the first frame.

    Raises:
        ValueError: there is none.
    """
    stream.seek(2)
    try:
        while (marker := stream.read(2))[:1] == b"\xff":
            if marker[1] == 0xFF:  # a fill byte
                stream.seek(-1, 1)
            elif 0xC0 <= marker[1] <= 0xCF and marker[1] not in _NO_FRAMES:
                return marker[1], stream.read(3)[2]
            else:
                length = int.from_bytes(stream.read(2))
                stream.seek(length - 2, 1)
        raise ValueError("its header cannot be read")
    except IndexError:
        raise ValueError("its header cannot be read") from None
    finally:
        stream.seek(0)


def _open_deep(stream: BinaryIO) -> OpenImage:
    """Open a lossless JPEG file, or one with more than 8 bits per channel.

    Raises:
        DataError: imagecodecs is not installed, or the file has another number of channels than 1 or 3.
    """
    process, bits = _read_frame(stream)
    codecs = library("imagecodecs", f"JPEG of {bits} bits" if bits > 8 else "this kind of JPEG")
    stream.seek(2)
    content = stream.read()
    at = content.index(bytes([0xFF, process]))
    height, width = int.from_bytes(content[at + 5 : at + 7]), int.from_bytes(content[at + 7 : at + 9])
    channels = content[at + 9]
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
