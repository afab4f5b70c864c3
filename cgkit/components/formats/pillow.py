"""Formats of 8 bits per channel, which Pillow reads and writes."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO, ClassVar

from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cgkit.components.formats.axes import as_stored
from cgkit.components.formats.metadata import metadata_of, options_of, without_warnings
from cgkit.components.formats.pictures import picture_header, picture_values
from cgkit.contracts import OpenImage, Reading
from cgkit.contracts.formats import START_BYTES
from cgkit.errors import DataError
from cgkit.files.limits import check_size

logging.getLogger("PIL").addHandler(logging.NullHandler())  # keep Pillow's messages about files off stderr


class PillowFormat:
    """A format of grey and colour images with 8 bits per channel."""

    metadata = "exif"
    name: ClassVar[str]
    """The name of the format in Pillow."""

    suffixes: tuple[str, ...]
    transparent: ClassVar[bool] = False
    """Whether the format can store an alpha channel."""

    holds_exif: ClassVar[bool] = True
    """Whether the format can store EXIF data."""

    options: ClassVar[Mapping[str, Any]] = {}
    """Arguments for Pillow's `save`."""

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Read the header of a file."""
        return open_picture(identify(stream, self.name))

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return whether an image is grey or colour with 8 bits, and has no alpha channel that would be lost."""
        return depth == "uint8" and channels - alpha in (1, 3) and (self.transparent or not alpha)

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        """Write an image with Pillow."""
        save_picture(values, stream, self.name, **self.options, **options_of(carry, holds_exif=self.holds_exif))


class WebP(PillowFormat):
    """WebP; translations are written without loss."""

    name = "WEBP"
    suffixes = (".webp",)
    transparent = True
    options: ClassVar[Mapping[str, Any]] = {"lossless": True}

    def recognises(self, start: bytes) -> bool:
        """Return whether a file starts like a WebP file."""
        return start.startswith(b"RIFF") and start[8:12] == b"WEBP"


class Bmp(PillowFormat):
    """Windows bitmaps, without transparency."""

    name = "BMP"
    suffixes = (".bmp",)
    holds_exif = False

    def recognises(self, start: bytes) -> bool:
        """Return whether a file starts like a bitmap."""
        return start.startswith(b"BM")


class Avif(PillowFormat):
    """AVIF with 8 bits per channel, which is lossy; translations are written with quality 95."""

    name = "AVIF"
    lossy = True
    suffixes = (".avif",)
    transparent = True
    options: ClassVar[Mapping[str, Any]] = {"quality": 95, "subsampling": "4:4:4"}

    def recognises(self, start: bytes) -> bool:
        """Return whether a file names AVIF among its brands."""
        return brands_of(start)[:1] in ([b"avif"], [b"avis"])


class Gif(PillowFormat):
    """GIF with a single frame; it is not written, because it holds too few colours."""

    name = "GIF"
    suffixes = (".gif",)

    def recognises(self, start: bytes) -> bool:
        """Return whether a file starts like a GIF file."""
        return start.startswith((b"GIF87a", b"GIF89a"))

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return false."""
        return False


class Netpbm(PillowFormat):
    """PBM, PGM and PPM: grey with 8 or 16 bits, and colour with 8 bits."""

    name = "PPM"
    metadata = ""
    suffixes = (".ppm", ".pgm", ".pbm", ".pnm")

    def recognises(self, start: bytes) -> bool:
        """Return whether a file starts like one of Netpbm."""
        return start[:1] == b"P" and start[1:2] in b"123456" and start[2:3].isspace()

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Read the header of a file.

        Raises:
            DataError: it has colours of more than 8 bits, which Pillow would round.
        """
        start = re.sub(rb"#[^\n]*\n", b" ", stream.read(START_BYTES)).split(None, 4)
        stream.seek(0)
        deep = start[0] in (b"P2", b"P3", b"P5", b"P6") and int(start[3]) > 255
        if deep and start[0] in (b"P3", b"P6"):
            raise DataError("has colours of more than 8 bits, which are not read from PPM", hint="convert it to PNG")
        opened = super().open(stream, reading)
        if not deep:
            return opened
        header = replace(opened.header, depth="uint16")  # Pillow scales them to 16 bits
        return OpenImage(header, lambda: opened.decode().astype("uint16"))

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        """Write an image; the format has no place for metadata."""
        save_picture(values, stream, self.name)


def brands_of(start: bytes) -> list[bytes]:
    """Return the brands of a file in the ISO base media format, such as AVIF and HEIC, by its first bytes."""
    if start[4:8] != b"ftyp":
        return []
    box = start[8 : int.from_bytes(start[:4])]
    return [box[:4], *(box[place : place + 4] for place in range(8, len(box), 4))]


def identify(stream: BinaryIO, name: str) -> Image.Image:
    """Open a stream with Pillow, as a file of the format that Pillow calls `name`; no pixel is decoded.

    Only the named format is tried: for others, Pillow may run external programs or use rarely reviewed decoders.

    Raises:
        DataError: The image has too many pixels.
        ValueError: Pillow cannot read the header.
    """
    with without_warnings():  # `check_size` checks the number of pixels; other warnings do not matter
        try:
            picture = Image.open(stream, formats=(name,))
        except UnidentifiedImageError:
            raise ValueError("its header cannot be read") from None
    check_size(*picture.size)  # check this first, since Pillow decodes a whole PNG to find its EXIF data
    return picture


def open_picture(picture: Image.Image) -> OpenImage:
    """Return the header of a picture, and the function that decodes it.

    Raises:
        DataError: The picture is animated, or its pixel mode is not supported.
    """
    check_single(picture)
    header = picture_header(picture)
    if header is None:
        raise DataError(f"has the pixel mode {picture.mode}, which is not supported", hint="convert it to PNG")
    if picture.format == "MPO":  # the others are gain maps, previews or second views
        header = replace(header, notes=(f"the first of its {_count_frames(picture)} pictures is used",))
    return OpenImage(header, partial(picture_values, picture), partial(metadata_of, picture))


def check_single(picture: Image.Image) -> None:
    """Raise a `DataError` if a picture is animated."""
    if (frames := _count_frames(picture)) > 1 and picture.format != "MPO":
        raise DataError(f"is an animation of {frames} frames", hint="save each frame as a separate image")


def _count_frames(picture: Image.Image) -> int:
    return int(getattr(picture, "n_frames", 1))


def save_picture(values: NDArray[Any], stream: BinaryIO, name: str, **options: Any) -> None:
    """Write `(H, W, C)` values in the format that Pillow calls `name`."""
    Image.fromarray(as_stored(values)).save(stream, format=name, **options)
