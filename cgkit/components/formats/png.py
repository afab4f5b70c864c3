"""PNG with 8 or 16 bits per channel: with Pillow, or with imagecodecs if Pillow would lose bits."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cgkit.components.formats.colour_profiles import deep_to_srgb
from cgkit.components.formats.metadata import metadata_of, options_of
from cgkit.components.formats.optional_libraries import library
from cgkit.components.formats.pictures import ORIENTATION, SIDEWAYS, picture_values, upright
from cgkit.components.formats.pillow import check_single, identify, open_picture, save_picture
from cgkit.contracts import ImageHeader, Layout, OpenImage, Reading

_DEEP_COLOUR = "16-bit colour in PNG"
_HEADER_END = 33
"""The place in a file after the chunk IHDR, in bytes."""


class Png:
    """PNG with 8 or 16 bits per channel."""

    suffixes = (".png",)
    metadata = "exif"

    def recognises(self, start: bytes) -> bool:
        """Return whether a file starts like a PNG file."""
        return start.startswith(b"\x89PNG\r\n\x1a\n")

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Read the header of a file."""
        depth, colour_type = _read_depth_and_colour(stream)
        picture = identify(stream, "PNG")
        check_single(picture)
        level = picture.info.get("transparency")
        if colour_type == 0 and depth in (2, 4) and isinstance(level, int):
            # Pillow scales the levels of such an image to 8 bits, but not the one that is transparent.
            picture.info["transparency"] = level * 255 // (2**depth - 1)
        return _open_deep(stream, picture, colour_type) if depth == 16 else open_picture(picture)

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return whether an image is grey or colour, with 8 or 16 bits."""
        return depth in ("uint8", "uint16") and channels - alpha in (1, 3)

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        """Write an image."""
        if values.dtype == np.uint8 or values.shape[-1] == 1:
            save_picture(values, stream, "PNG", **options_of(carry))
        else:
            encoded = library("imagecodecs", _DEEP_COLOUR).png_encode(np.ascontiguousarray(values))
            stream.write(encoded[:_HEADER_END] + _encode_metadata(options_of(carry)) + encoded[_HEADER_END:])


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
        turned = upright(values.reshape(*values.shape[:2], channels), orientation)
        return deep_to_srgb(turned, picture.info.get("icc_profile"))

    return OpenImage(header, decode, partial(metadata_of, picture))


def _encode_metadata(carry: Mapping[str, Any]) -> bytes:
    """Return the chunks of the EXIF data and of the resolution."""
    chunks = []
    if exif := carry.get("exif"):
        chunks.append((b"eXIf", exif.removeprefix(b"Exif\0\0")))
    if resolution := carry.get("dpi"):
        across, down = (round(dots / 0.0254) for dots in resolution)
        chunks.append((b"pHYs", struct.pack(">IIB", across, down, 1)))  # dots a metre
    return b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
