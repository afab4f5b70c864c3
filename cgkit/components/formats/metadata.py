"""The EXIF data and the resolution of a picture, for its translation."""

from __future__ import annotations

import math
import struct
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from PIL import ExifTags, Image

from cgkit.components.formats.pictures import ORIENTATION
from cgkit.errors import CgkitWarning

MAX_DPI = 65_535  # the largest resolution that a JPEG file can store
_MAX_EXIF = 65_000  # bytes; a JPEG file cannot store more

DAMAGE = (ValueError, TypeError, KeyError, SyntaxError, OSError, AttributeError, struct.error)
"""What Pillow raises for damaged metadata, which harm no pixel."""

_WARNINGS = threading.Lock()
"""A lock that is held while warnings are silenced, because all threads share the warning filters."""


def metadata_of(picture: Image.Image) -> dict[str, Any]:
    """Return what to pass to Pillow's `save`: the EXIF data, without the orientation, and the resolution.

    The orientation is left out because values are upright; the colour profile, because they are in sRGB.
    """
    return {**_exif_of(picture), **_resolution_of(picture)}


def _exif_of(picture: Image.Image) -> dict[str, Any]:
    """Return the EXIF data, or nothing if there are none, or if they cannot be written again."""
    try:
        with without_warnings():
            return encode_exif(picture.getexif())
    except DAMAGE:
        return {}


def encode_exif(exif: Image.Exif) -> dict[str, Any]:
    """Return EXIF data as an argument of Pillow's `save`; nothing if there are none or too many.

    The orientation is left out, and width and height, because a translation may have others.
    """
    kept = Image.Exif()
    kept.load(_to_bytes(exif))
    kept.pop(ORIENTATION, None)
    if ExifTags.IFD.Exif in kept:
        for size in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight):
            kept.get_ifd(ExifTags.IFD.Exif).pop(size, None)
    encoded = _to_bytes(kept) if kept else b""
    return {"exif": encoded} if 0 < len(encoded) <= _MAX_EXIF else {}


def _to_bytes(exif: Image.Exif) -> bytes:
    """Encode EXIF data without losing letters, such as a copyright sign, that Pillow replaces by question marks."""
    for tags in (exif, *(exif.get_ifd(code) for code in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo) if code in exif)):
        for code, text in list(tags.items()):
            if isinstance(text, str) and not text.isascii():
                tags[code] = text.encode("latin-1", "replace")  # as which Pillow decodes any encoding
    return exif.tobytes()


def _resolution_of(picture: Image.Image) -> dict[str, Any]:
    resolution = picture.info.get("dpi")
    if not isinstance(resolution, tuple) or len(resolution) != 2:
        return {}
    across, down = map(float, resolution)
    if not all(math.isfinite(dots) and 1 <= dots <= MAX_DPI for dots in (across, down)):
        return {}
    return {"dpi": (across, down)}


def options_of(carry: Mapping[str, Any] | None, *, holds_exif: bool = True) -> dict[str, Any]:
    """Return the arguments of Pillow's `save` that a format takes; warnings say what it cannot hold."""
    options = dict(carry or {})
    options.pop("tiffinfo", None)
    if options.pop("georeference", None):
        warn_of_loss("its georeference: only TIFF can hold it")
    if not holds_exif and options.pop("exif", None):
        warn_of_loss("its date, place and camera: the format cannot hold them")
    return options


def warn_of_loss(lost: str) -> None:
    """Warn that a translation loses what its image says."""
    warnings.warn(f"the translation of an image loses {lost}", CgkitWarning, stacklevel=3)


@contextmanager
def without_warnings() -> Iterator[None]:
    """A context in which no warning is shown, such as those of Pillow about damaged metadata."""
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
