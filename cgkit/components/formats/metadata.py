"""The EXIF data and the resolution of a picture, for the translation that is written in the same format."""

from __future__ import annotations

import math
import struct
from typing import Any

from PIL import Image

from cgkit.components.formats.pictures import ORIENTATION

_MAX_DPI = 65_535  # the largest resolution that a JPEG file can store
_MAX_EXIF = 65_000  # bytes; a JPEG file cannot store more


def metadata_of(picture: Image.Image) -> dict[str, Any]:
    """Return what to pass to Pillow's `save`: the EXIF data, without the orientation, and the resolution.

    The orientation is left out because values are upright; the colour profile, because they are in sRGB.
    """
    return {**_exif_of(picture), **_resolution_of(picture)}


def _exif_of(picture: Image.Image) -> dict[str, Any]:
    """Return the EXIF data, or nothing if there are none, or if they cannot be written again."""
    try:
        exif = Image.Exif()
        exif.load(picture.getexif().tobytes())
        exif.pop(ORIENTATION, None)
        encoded = exif.tobytes() if exif else b""
        return {"exif": encoded} if 0 < len(encoded) <= _MAX_EXIF else {}
    except (ValueError, TypeError, KeyError, SyntaxError, OSError, struct.error):  # damaged metadata harm no pixel
        return {}


def _resolution_of(picture: Image.Image) -> dict[str, Any]:
    resolution = picture.info.get("dpi")
    if not isinstance(resolution, tuple) or len(resolution) != 2:
        return {}
    across, down = map(float, resolution)
    if not all(math.isfinite(dots) and 1 <= dots <= _MAX_DPI for dots in (across, down)):
        return {}
    return {"dpi": (across, down)}
