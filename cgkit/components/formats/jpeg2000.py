"""JPEG 2000: with Pillow, or with imagecodecs if it has more than 8 bits per channel."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cgkit.components.formats.optional_libraries import library
from cgkit.components.formats.pillow import PillowFormat
from cgkit.contracts import ImageHeader, Layout, OpenImage, Reading

_CODESTREAM = b"\xff\x4f\xff\x51"  # its first two markers
_SEARCHED = 1 << 20  # bytes; boxes with metadata may precede the codestream


class Jpeg2000(PillowFormat):
    """JPEG 2000 with 8 or 16 bits per channel; it is not written."""

    name = "JPEG2000"
    suffixes = (".jp2", ".j2k", ".jpx", ".jpf")

    def recognises(self, start: bytes) -> bool:
        """Return whether a file starts like a JPEG 2000 file or codestream."""
        return start[4:12] == b"jP  \r\n\x87\n" or start.startswith(_CODESTREAM)

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Read the header of a file.

        Raises:
            DataError: it has more than 8 bits per channel, and imagecodecs is not installed.
            ValueError: the header cannot be read.
        """
        start = stream.read(_SEARCHED)
        stream.seek(0)
        at = start.find(_CODESTREAM)
        if at < 0 or len(start) < at + 43:
            raise ValueError("its header cannot be read")
        sizes = [int.from_bytes(start[at + place : at + place + 4]) for place in (8, 12, 16, 20)]
        channels, precision = int.from_bytes(start[at + 40 : at + 42]), start[at + 42]
        bits, signed = (precision & 0x7F) + 1, bool(precision & 0x80)
        if bits <= 8 and not signed:
            return super().open(stream, reading)
        width, height = sizes[0] - sizes[2], sizes[1] - sizes[3]
        layout: Layout = {1: "grey", 3: "colour"}.get(channels, "bands")  # type: ignore[assignment]
        depth = f"{'' if signed else 'u'}int{8 if bits <= 8 else 16 if bits <= 16 else 32}"
        header = ImageHeader(width, height, channels, "JPEG2000", depth, layout)
        codecs = library("imagecodecs", f"JPEG 2000 of {bits} bits")

        def decode() -> NDArray[Any]:
            stream.seek(0)
            return np.asarray(codecs.jpeg2k_decode(stream.read())).reshape(height, width, channels)

        return OpenImage(header, decode)

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return false."""
        return False
