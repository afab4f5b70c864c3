"""Image formats that keep or break their contract."""

from __future__ import annotations

import os
import struct
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cgkit.contracts import ImageHeader, OpenImage, Reading
from tests.testing.broken.registry import breaks, breaks_only, good

PROCESS = os.getpid()
HEADER = struct.Struct("<4sHHBB")


@good("formats")
class Raw:
    """Bytes, row by row."""

    suffixes: Any = (".raw8",)

    def recognises(self, start: bytes) -> bool:
        return start.startswith(b"RAW8")

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        _, width, height, channels, alpha = HEADER.unpack(stream.read(HEADER.size))
        header = ImageHeader(width, height, channels, "RAW", alpha=bool(alpha))
        return OpenImage(header, partial(self.decode, stream, header))

    def decode(self, stream: BinaryIO, header: ImageHeader) -> NDArray[np.uint8]:
        size = header.height * header.width * header.channels
        return np.frombuffer(stream.read(size), np.uint8).reshape(header.height, header.width, header.channels)

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        return depth == "uint8"

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        height, width, channels = values.shape
        stream.write(HEADER.pack(b"RAW8", width, height, channels, alpha) + values.tobytes())


@good("formats")
class ReadOnly(Raw):
    """Writes nothing."""

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        return False


@good("formats")
class Lossy(Raw):
    """Drops the lowest bit, and says so."""

    lossy = True

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        super().write(stream, values & 254, alpha=alpha, carry=carry)


@breaks_only("formats", "suffixes-are-in-lower-case-with-a-dot")
class UpperCase(Raw):
    """Has a suffix that no file matches."""

    suffixes = ("RAW8",)


@breaks("formats", "suffixes-are-in-lower-case-with-a-dot")
class OneString(Raw):
    """Has one suffix instead of a tuple."""

    suffixes = ".raw8"


@breaks_only("formats", "images-survive-a-round-trip")
class SecretlyLossy(Lossy):
    """Drops the lowest bit, and does not say so."""

    lossy = False


@breaks("formats", "images-survive-a-round-trip")
class HoldsTooMuch(Raw):
    """Claims to store 16 bits, but stores 8."""

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        return depth in ("uint8", "uint16")

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        super().write(stream, values.astype(np.uint8), alpha=alpha, carry=carry)


@breaks_only("formats", "headers-agree-with-the-pixels")
class ForgetsAlpha(Raw):
    """Says that no image has an alpha channel."""

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        opened = super().open(stream, reading)
        header = opened.header
        return OpenImage(ImageHeader(header.width, header.height, header.channels, "RAW"), opened.decode)


@breaks("formats", "headers-agree-with-the-pixels")
class SwapsSides(Raw):
    """Says the width for the height."""

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        opened = super().open(stream, reading)
        header = opened.header
        swapped = ImageHeader(header.height, header.width, header.channels, "RAW", alpha=header.alpha)
        return OpenImage(swapped, opened.decode)


@breaks_only("formats", "what-a-file-carries-can-be-written-again")
class CannotWriteItsCarry(Raw):
    """Carries something that it cannot write."""

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        opened = super().open(stream, reading)
        return OpenImage(opened.header, opened.decode, lambda: b"a comment")

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        stream.write(carry or b"")
        super().write(stream, values, alpha=alpha, carry=carry)


@breaks_only("formats", "recognises-its-own-files-and-no-others")
class RecognisesEverything(Raw):
    """Takes every file for its own."""

    def recognises(self, start: bytes) -> bool:
        return True


@breaks("formats", "recognises-its-own-files-and-no-others")
class RecognisesNothing(Raw):
    """Does not know its own files."""

    def recognises(self, start: bytes) -> bool:
        return False


@breaks_only("formats", "reads-the-same-in-another-process")
class DependsOnTheProcess(Raw):
    """Reads other pixels in another process."""

    def decode(self, stream: BinaryIO, header: ImageHeader) -> NDArray[np.uint8]:
        values = super().decode(stream, header)
        return values if os.getpid() == PROCESS else values ^ 1


@breaks_only("formats", "truncated-files-are-refused")
class FillsWithZeros(Raw):
    """Makes up the pixels that are missing."""

    def decode(self, stream: BinaryIO, header: ImageHeader) -> NDArray[np.uint8]:
        size = header.height * header.width * header.channels
        values = np.frombuffer(stream.read(size).ljust(size, b"\0"), np.uint8)
        return values.reshape(header.height, header.width, header.channels)


@breaks_only("formats", "damaged-files-do-no-harm")
class EndsTheProcess(Raw):
    """Ends the process if a header is wrong."""

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        opened = super().open(stream, reading)
        if opened.header.height > 100:
            os._exit(1)
        return opened


@breaks("formats", "damaged-files-do-no-harm")
class AllocatesWhatTheHeaderSays(Raw):
    """Allocates memory for the pixels before the size is checked."""

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        opened = super().open(stream, reading)
        header = opened.header
        np.zeros((header.height, header.width, header.channels, 1024))
        return opened
