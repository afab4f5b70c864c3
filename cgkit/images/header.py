"""What is known of an image before its pixels are decoded."""

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
    """What an image's header says.

    Attributes:
        width: in pixels, after the orientation that EXIF asks for.
        height: likewise.
        channels: 1 for grey; transparency counts as one.
        format: the file format.
        depth: NumPy's name of the type of its values.
        layout: what the channels are: grey, red and green and blue, or bands of which nothing more is known.
        alpha: whether the last channel is transparency.
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
    """An image whose header was read, and what decodes its pixels.

    Attributes:
        header: what is known of it.
        decode: returns its values, upright, `(H, W, channels)` in the header's depth.
    """

    header: ImageHeader
    decode: Callable[[], NDArray[Any]]


@dataclass(frozen=True)
class EncodedImage:
    """The bytes of an image file that lies in no file of its own, and what it is called."""

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name

    def open(self) -> io.BytesIO:
        """Return the bytes as a stream."""
        return io.BytesIO(self.content)


def stream_of(file: Path | EncodedImage) -> BinaryIO:
    """Return a file's bytes as a stream, to be closed by the caller."""
    return file.open() if isinstance(file, EncodedImage) else file.open("rb")
