"""Read 8-bit images and 16-bit PNG files with Pillow, or with imagecodecs if Pillow would lose bits."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cgkit.errors import DataError
from cgkit.images.colour_profiles import to_srgb
from cgkit.images.header import EncodedImage, ImageHeader, Layout, OpenImage, open_stream
from cgkit.images.limits import check_size
from cgkit.images.optional_libraries import library

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
"""Formats that Pillow may open; for others, it may run external programs or use rarely reviewed decoders."""

_CHANNELS: dict[str, tuple[Layout, int, bool]] = {
    "L": ("grey", 1, False),
    "LA": ("grey", 2, True),
    "RGB": ("colour", 3, False),
    "RGBA": ("colour", 4, True),
}
_CONVERSIONS = {"1": "L", "L": "L", "LA": "LA", "P": "RGB", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB"}
"""The target mode for each supported Pillow mode, unless the picture has a transparent colour."""

_DEEP = {"I;16": "uint16", "I;16L": "uint16", "I;16B": "uint16", "I": "int32", "F": "float32"}
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda values: values[:, ::-1],
    3: lambda values: values[::-1, ::-1],
    4: lambda values: values[::-1],
    5: lambda values: values.swapaxes(0, 1),
    6: lambda values: values.swapaxes(0, 1)[:, ::-1],
    7: lambda values: values.swapaxes(0, 1)[::-1, ::-1],
    8: lambda values: values.swapaxes(0, 1)[::-1],
}
_SMALL, _ROWS = 4_000_000, 256  # the most pixels to convert at once; rows per strip of a larger picture
_WARNINGS = threading.Lock()
"""A lock that is held while warnings are silenced, because all threads share the warning filters."""

logging.getLogger("PIL").addHandler(logging.NullHandler())  # keep Pillow's messages about files off stderr


def picture_header(picture: Image.Image) -> ImageHeader | None:
    """Return the header of a Pillow picture, or None if its mode is not supported."""
    width, height = picture.size
    if picture.getexif().get(_ORIENTATION) in _SIDEWAYS:
        width, height = height, width
    header = partial(ImageHeader, width, height, format=str(picture.format or "picture"))
    if picture.mode in _DEEP:
        return header(channels=1, depth=_DEEP[picture.mode], layout="grey")
    mode = _choose_mode(picture)
    if mode is None:
        return None
    layout, channels, alpha = _CHANNELS[mode]
    return header(channels=channels, layout=layout, alpha=alpha)


def picture_values(picture: Image.Image) -> NDArray[Any]:
    """Return the values of a Pillow picture as an upright `(H, W, channels)` array; apply any colour profile."""
    # Skip every unnecessary step, since each one copies the whole picture, which is expensive for large pictures.
    needs_rotation = picture.getexif().get(_ORIENTATION, 1) != 1
    rotated = ImageOps.exif_transpose(picture) if needs_rotation else picture
    if picture.mode in _DEEP:
        return np.asarray(rotated)[..., None].astype(_DEEP[picture.mode])
    mode = _choose_mode(picture)
    # A CMYK profile applies to the original values. If a picture has a palette or a transparent colour, its profile
    # applies to the converted values.
    colours = rotated if picture.mode in ("CMYK", mode) else rotated.convert(mode)
    converted = to_srgb(colours)
    values = _to_array(converted if converted.mode == mode else converted.convert(mode))
    return values[..., None] if values.ndim == 2 else values


def _to_array(picture: Image.Image) -> NDArray[Any]:
    """Return the values of a picture; a large picture is converted in strips to save memory."""
    width, height = picture.size
    if width * height <= _SMALL:
        return np.array(picture)
    bands = len(picture.getbands())
    values = np.empty((height, width, bands) if bands > 1 else (height, width), np.uint8)
    for top in range(0, height, _ROWS):
        bottom = min(top + _ROWS, height)
        values[top:bottom] = np.asarray(picture.crop((0, top, width, bottom)))
    return values


def upright(values: NDArray[Any], orientation: int | None) -> NDArray[Any]:
    """Turn the values `(H, W, C)` of an image upright according to its EXIF orientation."""
    turn = _UPRIGHT.get(orientation or 1)
    return values if turn is None else turn(values)


@contextmanager
def open_picture(file: Path | EncodedImage) -> Iterator[OpenImage]:
    """Open a file with Pillow without decoding its pixels.

    Raises:
        DataError: The file is in an unsupported format or mode, is animated or too large, or needs imagecodecs, which
            is not installed.
    """
    with open_stream(file) as stream, identify(stream) as picture:
        check_size(*picture.size)  # check this first, since Pillow decodes a whole PNG to find its EXIF data
        if (frames := getattr(picture, "n_frames", 1)) > 1:
            raise DataError(f"has {frames} frames", hint="save each frame as a separate image")
        if picture.format == "PNG":
            depth, colour_type = _read_png_depth_and_colour(file)
            if depth == 16:
                yield _open_deep_png(file, picture, colour_type)
                return
        header = picture_header(picture)
        if header is None:
            raise DataError(f"has the pixel mode {picture.mode}, which is not supported")
        yield OpenImage(header, partial(picture_values, picture))


@contextmanager
def identify(stream: BinaryIO) -> Iterator[Image.Image]:
    """Open a stream with Pillow.

    Raises:
        DataError: The stream is in none of the supported formats.
    """
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `check_size` checks the number of pixels; other warnings do not matter
        try:
            picture = Image.open(stream, formats=FORMATS)
        except UnidentifiedImageError:
            raise DataError(
                f"not an image in a supported format ({', '.join(FORMATS)}, NPY, NPZ)", hint="remove it"
            ) from None
    with picture:
        yield picture


def _choose_mode(picture: Image.Image) -> str | None:
    if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
        return "LA" if picture.mode in ("1", "L", "LA") else "RGBA"
    mode = _CONVERSIONS.get(picture.mode, picture.mode)
    return mode if mode in _CHANNELS else None


def _read_png_depth_and_colour(file: Path | EncodedImage) -> tuple[int, int]:
    with open_stream(file) as stream:
        start = stream.read(26)  # bytes: signature 8, IHDR length 4, type 4, width 4, height 4, depth 1, colour type 1
    return start[24], start[25]


def _open_deep_png(file: Path | EncodedImage, picture: Image.Image, colour_type: int) -> OpenImage:
    """Open a PNG file with 16 bits per channel.

    Pillow keeps all 16 bits only for grey images without alpha, so imagecodecs reads the others.
    """
    alpha = colour_type in (4, 6) or "transparency" in picture.info
    layout: Layout = "grey" if colour_type in (0, 4) else "colour"
    channels = (1 if layout == "grey" else 3) + alpha
    orientation = picture.getexif().get(_ORIENTATION)
    width, height = picture.size[::-1] if orientation in _SIDEWAYS else picture.size
    header = ImageHeader(width, height, channels, "PNG", "uint16", layout, alpha)
    if channels == 1:
        return OpenImage(header, partial(picture_values, picture))
    codecs = library("imagecodecs", "16-bit colour in PNG")

    def decode() -> NDArray[Any]:
        with open_stream(file) as stream:
            values = np.asarray(codecs.png_decode(stream.read()))
        return upright(values.reshape(*values.shape[:2], channels), orientation)

    return OpenImage(header, decode)
