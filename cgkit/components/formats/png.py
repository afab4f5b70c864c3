"""PNG with 8 or 16 bits per channel: with Pillow, or with imagecodecs if Pillow would lose bits."""

from __future__ import annotations

from functools import partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cgkit.components.formats.metadata import metadata_of
from cgkit.components.formats.optional_libraries import library
from cgkit.components.formats.pictures import ORIENTATION, SIDEWAYS, picture_values, upright
from cgkit.components.formats.pillow import check_single, identify, open_picture, save_picture
from cgkit.contracts import ImageHeader, Layout, OpenImage, Reading

_DEEP_COLOUR = "16-bit colour in PNG"


class Png:
    """PNG with 8 or 16 bits per channel."""

    suffixes = (".png",)

    def recognises(self, start: bytes) -> bool:
        """Return whether a file starts like a PNG file."""
        return start.startswith(b"\x89PNG\r\n\x1a\n")

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Read the header of a file."""
        depth, colour_type = _read_depth_and_colour(stream)
        picture = identify(stream, "PNG")
        check_single(picture)
        return _open_deep(stream, picture, colour_type) if depth == 16 else open_picture(picture)

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return whether an image is grey or colour, with 8 or 16 bits."""
        return depth in ("uint8", "uint16") and channels - alpha in (1, 3)

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        """Write an image; metadata are not carried over to colour of 16 bits."""
        if values.dtype == np.uint8 or values.shape[-1] == 1:
            save_picture(values, stream, "PNG", **(carry or {}))
        else:
            stream.write(library("imagecodecs", _DEEP_COLOUR).png_encode(np.ascontiguousarray(values)))


def _read_depth_and_colour(stream: BinaryIO) -> tuple[int, int]:
    start = stream.read(26)  # bytes: signature 8, IHDR length 4, type 4, width 4, height 4, depth 1, colour type 1
    stream.seek(0)
    if len(start) < 26:
        raise ValueError("its header cannot be read")
    return start[24], start[25]


def _open_deep(stream: BinaryIO, picture: Image.Image, colour_type: int) -> OpenImage:
    """Open a PNG file with 16 bits per channel.

    Pillow keeps all 16 bits only for grey images without alpha, so imagecodecs reads the others.
    """
    alpha = colour_type in (4, 6) or "transparency" in picture.info
    layout: Layout = "grey" if colour_type in (0, 4) else "colour"
    channels = (1 if layout == "grey" else 3) + alpha
    orientation = picture.getexif().get(ORIENTATION)
    width, height = picture.size[::-1] if orientation in SIDEWAYS else picture.size
    header = ImageHeader(width, height, channels, "PNG", "uint16", layout, alpha)
    if channels == 1:
        return OpenImage(header, partial(picture_values, picture), partial(metadata_of, picture))
    codecs = library("imagecodecs", _DEEP_COLOUR)

    def decode() -> NDArray[Any]:
        stream.seek(0)
        values = np.asarray(codecs.png_decode(stream.read()))
        return upright(values.reshape(*values.shape[:2], channels), orientation)

    return OpenImage(header, decode)
