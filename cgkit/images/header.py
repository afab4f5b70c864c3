"""Image headers, and images whose pixels have not been decoded yet."""

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
        height: Height in pixels, after applying the EXIF orientation.
        channels: Number of channels, including any alpha channel.
        format: Name of the file format, such as `PNG` or `NPY`.
        depth: Type of the values, by its NumPy name, such as `uint16`.
        layout: Meaning of the channels besides alpha: grey, colour (red, green, blue), or bands of unknown meaning.
        alpha: Whether the last channel is an alpha channel.
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
        decode: A function that decodes the pixels to an upright `(H, W, channels)` array of type `header.depth`.
    """

    header: ImageHeader
    decode: Callable[[], NDArray[Any]]


@dataclass(frozen=True)
class EncodedImage:
    """An image file in memory: its name, for messages, and its bytes."""

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name

    def open(self) -> io.BytesIO:
        """Return a binary stream of the bytes."""
        return io.BytesIO(self.content)


def open_stream(file: Path | EncodedImage) -> BinaryIO:
    """Open an image file as a binary stream, which the caller must close."""
    return file.open() if isinstance(file, EncodedImage) else file.open("rb")
