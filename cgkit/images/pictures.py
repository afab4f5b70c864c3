"""Pictures of 8 bits a channel, and PNG of 16, through Pillow; where Pillow would lose bits, through imagecodecs."""

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
from cgkit.images.colour_profiles import in_srgb
from cgkit.images.header import EncodedImage, ImageHeader, Layout, OpenImage, stream_of
from cgkit.images.limits import check_size
from cgkit.images.optional_libraries import library

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
"""What Pillow may open; others of its formats start programs, or are rarely looked at."""

_PLAIN: dict[str, tuple[Layout, int, bool]] = {
    "L": ("grey", 1, False),
    "LA": ("grey", 2, True),
    "RGB": ("colour", 3, False),
    "RGBA": ("colour", 4, True),
}
_TO_PLAIN = {"1": "L", "L": "L", "LA": "LA", "P": "RGB", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB"}
"""The modes that become others, each by a conversion that Pillow defines exactly."""

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
_SMALL, _ROWS = 4_000_000, 256
_WARNINGS = threading.Lock()
"""Held while warnings are silenced, which is for all threads at once."""

logging.getLogger("PIL").addHandler(logging.NullHandler())  # what it finds odd about a file is not for stderr


def header_of(picture: Image.Image) -> ImageHeader | None:
    """Return what a picture of Pillow holds; None where its mode is none that is understood."""
    width, height = picture.size
    if picture.getexif().get(_ORIENTATION) in _SIDEWAYS:
        width, height = height, width
    known = partial(ImageHeader, width, height, format=str(picture.format or "picture"))
    if picture.mode in _DEEP:
        return known(channels=1, depth=_DEEP[picture.mode], layout="grey")
    mode = _plain_mode(picture)
    if mode is None:
        return None
    layout, channels, alpha = _PLAIN[mode]
    return known(channels=channels, layout=layout, alpha=alpha)


def values_of(picture: Image.Image) -> NDArray[Any]:
    """Return a picture's values, upright and in sRGB where it says what its colours are, `(H, W, channels)`."""
    # Pillow copies a picture for every step that it is asked for; of a large one, each copy counts.
    turned = picture.getexif().get(_ORIENTATION, 1) != 1
    upright = ImageOps.exif_transpose(picture) if turned else picture
    if picture.mode in _DEEP:
        return np.asarray(upright)[..., None].astype(_DEEP[picture.mode])
    mode = _plain_mode(picture)
    # A profile of CMYK says what CMYK means; one of a palette, or beside a transparent colour, is of the colours.
    colours = upright if picture.mode in ("CMYK", mode) else upright.convert(mode)
    finished = in_srgb(colours)
    values = _copied(finished if finished.mode == mode else finished.convert(mode))
    return values[..., None] if values.ndim == 2 else values


def _copied(picture: Image.Image) -> NDArray[Any]:
    """Return a picture's values; of a large one some rows at a time, since NumPy takes them from a copy."""
    width, height = picture.size
    if width * height <= _SMALL:
        return np.array(picture)
    bands = len(picture.getbands())
    values = np.empty((height, width, bands) if bands > 1 else (height, width), np.uint8)
    for top in range(0, height, _ROWS):
        below = min(top + _ROWS, height)
        values[top:below] = np.asarray(picture.crop((0, top, width, below)))
    return values


def upright(values: NDArray[Any], orientation: int | None) -> NDArray[Any]:
    """Return `(H, W, C)` turned as an orientation of EXIF asks for."""
    turn = _UPRIGHT.get(orientation or 1)
    return values if turn is None else turn(values)


@contextmanager
def open_picture(file: Path | EncodedImage) -> Iterator[OpenImage]:
    """Yield what Pillow identifies, its pixels not yet decoded.

    Raises:
        DataError: it is none of the formats, is animated, or has a mode that is not understood.
    """
    with stream_of(file) as stream, identified(stream) as picture:
        check_size(*picture.size)  # now, because Pillow decodes a whole PNG to find its EXIF
        if (frames := getattr(picture, "n_frames", 1)) > 1:
            raise DataError(f"has {frames} frames", hint="save each frame as an image")
        if picture.format == "PNG":
            depth, colour_type = _png_depth_and_colour(file)
            if depth == 16:
                yield _deep_png(file, picture, colour_type)
                return
        header = header_of(picture)
        if header is None:
            raise DataError(f"pixel format {picture.mode} cannot be read")
        yield OpenImage(header, partial(values_of, picture))


@contextmanager
def identified(stream: BinaryIO) -> Iterator[Image.Image]:
    """Yield what Pillow makes of a stream.

    Raises:
        DataError: it is none of the formats.
    """
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # our own limit of pixels is stricter, and what else is odd is an error or none
        try:
            picture = Image.open(stream, formats=FORMATS)
        except UnidentifiedImageError:
            raise DataError(f"not an image of the formats {', '.join(FORMATS)}, NPY, NPZ", hint="remove it") from None
    with picture:
        yield picture


def _plain_mode(picture: Image.Image) -> str | None:
    if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
        return "LA" if picture.mode in ("1", "L", "LA") else "RGBA"
    mode = _TO_PLAIN.get(picture.mode, picture.mode)
    return mode if mode in _PLAIN else None


def _png_depth_and_colour(file: Path | EncodedImage) -> tuple[int, int]:
    with stream_of(file) as stream:
        start = stream.read(26)  # IHDR: signature 8, length 4, type 4, width 4, height 4, depth 1, colour type 1
    return start[24], start[25]


def _deep_png(file: Path | EncodedImage, picture: Image.Image, colour_type: int) -> OpenImage:
    """Return a PNG of 16 bits a channel, of which Pillow reads opaque grey alone; of the others it keeps 8 bits."""
    alpha = colour_type in (4, 6) or "transparency" in picture.info
    layout: Layout = "grey" if colour_type in (0, 4) else "colour"
    channels = (1 if layout == "grey" else 3) + alpha
    orientation = picture.getexif().get(_ORIENTATION)
    width, height = picture.size[::-1] if orientation in _SIDEWAYS else picture.size
    header = ImageHeader(width, height, channels, "PNG", "uint16", layout, alpha)
    if channels == 1:
        return OpenImage(header, partial(values_of, picture))
    codecs = library("imagecodecs", "colour of 16 bits in PNG")

    def decode() -> NDArray[Any]:
        with stream_of(file) as stream:
            values = np.asarray(codecs.png_decode(stream.read()))
        return upright(values.reshape(*values.shape[:2], channels), orientation)

    return OpenImage(header, decode)
