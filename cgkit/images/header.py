"""Image headers, and images whose pixels are not decoded yet."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from numpy.typing import NDArray

Layout = Literal["grey", "colour", "bands"]


@dataclass(frozen=True)
class ImageHeader:
    """The contents of an image's header.

    Attributes:
        width: Width in pixels, after applying the EXIF orientation.
        height: Height in pixels, likewise.
        channels: Number of channels: 1 for grey; transparency counts as one.
        format: The file format.
        depth: The type of the values, by NumPy's name.
        layout: The meaning of the channels: grey, red-green-blue, or unspecified bands.
        alpha: Whether the last channel is transparency.
    """

    width: int
    height: int
    channels: int
    format: str
    depth: str = "uint8"
    layout: Layout = "colour"
    alpha: bool = False


@dataclass(frozen=True)
class OpenImage:
    """An image whose header has been read.

    Attributes:
        header: The header.
        decode: Returns the values, upright, `(H, W, channels)` in the header's depth.
    """

    header: ImageHeader
    decode: Callable[[], NDArray[Any]]


@dataclass(frozen=True)
class EncodedImage:
    """The bytes of an image file that is not on disk, and its name."""

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name

    def open(self) -> io.BytesIO:
        """Return the bytes as a stream."""
        return io.BytesIO(self.content)


def open_stream(file: Path | EncodedImage) -> BinaryIO:
    """Return the bytes of a file as a stream, to be closed by the caller."""
    return file.open() if isinstance(file, EncodedImage) else file.open("rb")
