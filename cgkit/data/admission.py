"""What may be opened as an image: the one door that every file comes through.

A file, or the bytes of one, is looked at before it is decoded: it must be a regular file of a bearable size, in one of
a few formats, with a bearable number of pixels, not animated, and of 8 bits a channel.
"""

from __future__ import annotations

import io
import stat
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from cgkit.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
MAX_BYTES = 200_000_000
MAX_PIXELS = 64_000_000
MAX_ASPECT = 64
CHANNELS = {"1": 1, "L": 1, "LA": 2, "P": 3, "PA": 4, "RGB": 3, "RGBA": 4, "CMYK": 4, "YCbCr": 3}
"""The modes that are understood, and how many channels they hold."""

_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_WARNINGS = threading.Lock()
"""Held while warnings are silenced, which is for all threads at once."""


@dataclass(frozen=True)
class ImageHeader:
    """What an image's header says.

    Attributes:
        width: in pixels, after the orientation that EXIF asks for.
        height: likewise.
        channels: 1 for grey; transparency counts as one.
        mode: Pillow's name of the pixel format.
        format: the file format.
    """

    width: int
    height: int
    channels: int
    mode: str
    format: str


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


def inspect_image(path: Path) -> ImageHeader:
    """Return what an image's header says, without decoding its pixels.

    Raises:
        DataError: it may not be opened, and why.
    """
    with admitted(path) as image:
        width, height = image.size
        if image.getexif().get(_ORIENTATION) in _SIDEWAYS:
            width, height = height, width
        return ImageHeader(width, height, CHANNELS[image.mode], image.mode, str(image.format))


@contextmanager
def admitted(path: Path | EncodedImage) -> Iterator[Image.Image]:
    """Yield an opened image that passed every check; what goes wrong while it is used is a `DataError` too.

    Raises:
        DataError: it may not be opened, or its pixels cannot be decoded.
    """
    if isinstance(path, EncodedImage):
        _check_length(path, len(path.content))
    else:
        _check_file(path)
    opened = path.open() if isinstance(path, EncodedImage) else path
    try:
        with _without_warnings(opened) as image:
            _check_header(path, image)
            yield image
    except UnidentifiedImageError:
        raise DataError(f"{path}: not an image of the formats {', '.join(FORMATS)}", hint="remove it") from None
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: more than {MAX_PIXELS // 1_000_000} million pixels") from error
    except DataError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{path}: damaged or cut short: {reason}", hint="mend or remove it") from error


def _without_warnings(file: Path | BinaryIO) -> Image.Image:
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is stricter
        return Image.open(file, formats=FORMATS)


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path}: not a regular file")
        _check_length(path, status.st_size)
        with path.open("rb"):
            pass
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _check_length(path: Path | EncodedImage, length: int) -> None:
    if length == 0:
        raise DataError(f"{path}: empty")
    if length > MAX_BYTES:
        raise DataError(f"{path}: larger than {MAX_BYTES // 1_000_000} MB")


def _check_header(path: Path | EncodedImage, image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(f"{path}: {width}x{height} is more than {MAX_PIXELS // 1_000_000} million pixels")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise DataError(f"{path}: {width}x{height} is too long a strip")
    if getattr(image, "n_frames", 1) > 1:
        raise DataError(f"{path}: has {getattr(image, 'n_frames', 0)} frames", hint="save each frame as an image")
    bits = _bits(path, image)
    if bits > 8 or image.mode not in CHANNELS:
        # Pillow would clip these at 255 without a word.
        kind = f"{bits} bits a channel" if bits > 8 else f"pixel format {image.mode}"
        raise DataError(f"{path}: {kind} cannot be read", hint="convert it to 8 bits a channel")


def _bits(path: Path | EncodedImage, image: Image.Image) -> int:
    """Return the bits a channel of the file: for 16-bit RGB the mode is that of 8 bits."""
    if image.format == "PNG":
        with path.open() if isinstance(path, EncodedImage) else path.open("rb") as stream:
            return stream.read(25)[24]  # IHDR: signature 8, length 4, type 4, width 4, height 4, then the depth
    if image.format == "TIFF":
        sizes = image.tag_v2.get(258, (8,))  # type: ignore[attr-defined]  # BitsPerSample
        return int(max(sizes) if isinstance(sizes, tuple) else sizes)
    return 16 if image.mode.startswith("I;16") else 8
