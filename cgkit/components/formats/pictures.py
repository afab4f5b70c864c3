"""Convert Pillow's pictures to values, upright and in sRGB."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cgkit.components.formats.colour_profiles import to_srgb
from cgkit.contracts import ImageHeader, Layout

_CHANNELS: dict[str, tuple[Layout, int, bool]] = {
    "L": ("grey", 1, False),
    "LA": ("grey", 2, True),
    "RGB": ("colour", 3, False),
    "RGBA": ("colour", 4, True),
}
_CONVERSIONS = {"1": "L", "L": "L", "LA": "LA", "P": "RGB", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB"}
"""The target mode for each supported Pillow mode, unless the picture has a transparent colour."""

_DEEP = {"I;16": "uint16", "I;16L": "uint16", "I;16B": "uint16", "I": "int32", "F": "float32"}
ORIENTATION = 0x0112
"""The EXIF tag of an image's orientation."""

SIDEWAYS = (5, 6, 7, 8)
"""The orientations in which width and height are exchanged."""

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


def picture_header(picture: Image.Image) -> ImageHeader | None:
    """Return the header of a Pillow picture, or None if its mode is not supported."""
    width, height = picture.size
    if picture.format != "TIFF" and picture.getexif().get(ORIENTATION) in SIDEWAYS:  # Pillow turns TIFFs by itself
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
    needs_rotation = picture.getexif().get(ORIENTATION, 1) != 1
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


def _choose_mode(picture: Image.Image) -> str | None:
    if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
        return "LA" if picture.mode in ("1", "L", "LA") else "RGBA"
    mode = _CONVERSIONS.get(picture.mode, picture.mode)
    return mode if mode in _CHANNELS else None
