"""The contract of image formats: what they read of a file, and what they write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

Layout = Literal["grey", "colour", "bands"]


@dataclass(frozen=True)
class ImageHeader:
    """The contents of an image's header.

    Attributes:
        width: width in pixels, after applying the EXIF orientation.
        height: height in pixels, after applying the EXIF orientation.
        channels: number of channels, including any alpha channel.
        format: name of the file format, for messages, such as `PNG` or `NPY`.
        depth: type of the values, by its NumPy name: `bool`, `uint8` to `uint64`, `int8` to `int64`, or `float16` to
            `float64`.
        layout: meaning of the channels besides alpha: grey, colour (red, green, blue), or bands of unknown meaning.
        alpha: whether the last channel is an alpha channel.
    """

    width: int
    height: int
    channels: int
    format: str
    depth: str = "uint8"
    layout: Layout = "colour"
    alpha: bool = False


@dataclass(frozen=True)
class Reading:
    """What a spec says about files that leave something open.

    Attributes:
        pages: whether the pages of a file are the bands of one image; if not, a file must have a single page.
        array: the name of the array to read from a file that contains several.
        alpha_of: the number of channels of which the last is alpha, in files that do not say what their channels mean;
            None if no channel is.
    """

    pages: bool = False
    array: str | None = None
    alpha_of: int | None = None


@dataclass(frozen=True)
class OpenImage:
    """An image whose header has been read.

    Attributes:
        header: the header.
        decode: decodes the pixels to an upright `(H, W, channels)` array of type `header.depth`.
        carry: returns what else the file says, such as its resolution or its place on Earth, for `write` of the same
            format. Nothing else looks into it, but it must be valid after the file is closed.
    """

    header: ImageHeader
    decode: Callable[[], NDArray[Any]]
    carry: Callable[[], Any] | None = None


START_BYTES = 512
"""Number of bytes at the start of a file from which its format is recognised."""


class Format(Protocol):
    """Built as `(*, options)`: reads and writes the image files of one format. It keeps no state between files.

    Before a format sees a file, cgkit checks that it is a regular file of an acceptable length; before `decode` is
    called, that the image has an acceptable size. `open` must therefore not decode the pixels or allocate memory for
    them. If `open` or `decode` raises `DataError`, its message is shown; any other exception means a damaged file.

    Attributes:
        suffixes: the suffixes of files of this format, in lower case with a dot. The first is the usual one. Folders
            are searched for these suffixes, and translations are written with them.

    Optional attribute:
        lossy: true if an image that was written and read again differs slightly, as with JPEG.
    """

    suffixes: tuple[str, ...]

    def recognises(self, start: bytes) -> bool:
        """Return whether a file is of this format, given its first `START_BYTES` bytes, or all if there are fewer."""

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Read the header of a file. The stream can seek, and stays open until the pixels have been decoded."""

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return whether `write` can store images with that number of channels, including alpha, and type of values."""

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        """Write an image that the format `holds` to an empty stream, which can seek and be read.

        Args:
            stream: the stream to write to.
            values: the image, `(H, W, channels)`.
            alpha: whether the last channel is an alpha channel.
            carry: the `carry` of the image that these values were made from, if it was read from a file of this
                format; otherwise None.
        """
