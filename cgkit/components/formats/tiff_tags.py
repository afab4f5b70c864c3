"""What a TIFF file says besides its pixels and that is still true of a translation: resolution and georeference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cgkit.components.formats.metadata import MAX_DPI
from cgkit.components.formats.pixel_size import pixels_per_centimetre

_SHORT, _ASCII, _DOUBLE = 3, 2, 12

KEPT = {
    33550: _DOUBLE,  # ModelPixelScale
    33922: _DOUBLE,  # ModelTiepoint
    34264: _DOUBLE,  # ModelTransformation
    34735: _SHORT,  # GeoKeyDirectory
    34736: _DOUBLE,  # GeoDoubleParams
    34737: _ASCII,  # GeoAsciiParams
    50844: _DOUBLE,  # RPCCoefficient: where an image of an unrectified scene lies
    42112: _ASCII,  # GDAL_METADATA: names and units of bands, and other items
    42113: _ASCII,  # GDAL_NODATA
}
"""The tags of GeoTIFF (OGC 19-008r4) and GDAL that are carried over, each with its type in the file."""

NODATA = 42113
PHOTOMETRIC, EXTRA_SAMPLES = 262, 338
"""The tags of what the bands mean: red, green and blue, and what the others are."""

_PLACES = (33550, 33922, 34264, 34735)

RESOLUTION, UNIT = (282, 283), 296
"""The tags of the horizontal and the vertical resolution, and that of their unit."""

_ORIENTATION, _DESCRIPTION = 274, 270
_NO_UNIT, _INCH, _CENTIMETRE = 1, 2, 3


class Carried(NamedTuple):
    """Tags to carry over to a translation, by their number: those of the resolution, and those about the place."""

    resolution: dict[int, Any]
    georeference: dict[int, Any]


def carried_tags(read: Callable[[int], Any]) -> Carried:
    """Return the tags to carry over to a translation; malformed tags are left out.

    There are none if the image was turned upright, since its georeference would be wrong.

    Args:
        read: returns the value of the tag with a number, or None if there is none.
    """

    def value_of(code: int) -> Any:
        try:
            return read(code)
        except Exception:  # noqa: BLE001 - libraries do not document what they raise for malformed tags
            return None

    if value_of(_ORIENTATION) not in (None, 1):
        return Carried({}, {})
    kept = {code: value for code, kind in KEPT.items() if _is_of(kind, value := value_of(code))}
    if is_map(value_of) and value_of(EXTRA_SAMPLES) is not None:
        extra = value_of(EXTRA_SAMPLES)
        kept |= {
            PHOTOMETRIC: int(value_of(PHOTOMETRIC)),
            EXTRA_SAMPLES: extra if isinstance(extra, tuple) else (extra,),
        }
    return Carried(_read_resolution(value_of), kept)


def _read_resolution(read: Callable[[int], Any]) -> dict[int, Any]:
    """Return the tags of the resolution, of the text if that states the size of a pixel."""
    x, y = (_to_number(read(code)) for code in RESOLUTION)
    description = read(_DESCRIPTION)
    stated = pixels_per_centimetre(description, (x, y)) if isinstance(description, str) else None
    if stated is not None:
        return {**dict(zip(RESOLUTION, stated, strict=True)), UNIT: _CENTIMETRE}
    if min(x, y) <= 0:
        return {}
    unit = read(UNIT)
    return {**dict(zip(RESOLUTION, (x, y), strict=True)), UNIT: unit if unit in (_NO_UNIT, _CENTIMETRE) else _INCH}


def dots_per_inch(tags: Mapping[int, Any]) -> dict[str, tuple[float, float]]:
    """Return the resolution as an argument of Pillow's `save`; nothing if the tags name none, or no unit."""
    if (inches := {_INCH: 1.0, _CENTIMETRE: 2.54}.get(tags.get(UNIT, _NO_UNIT))) is None:
        return {}
    across, down = (tags[code] * inches for code in RESOLUTION)
    return {"dpi": (across, down)} if all(1 <= dots <= MAX_DPI for dots in (across, down)) else {}


def resolution_tags(dots: tuple[float, float] | None) -> dict[int, Any]:
    """Return the tags of a resolution in dots per inch."""
    return {} if dots is None else {**dict(zip(RESOLUTION, dots, strict=True)), UNIT: _INCH}


def is_map(read: Callable[[int], Any]) -> bool:
    """Return whether an image has a place on Earth."""
    return any(read(code) is not None for code in _PLACES)


def nodata_of(read: Callable[[int], Any]) -> float | None:
    """Return the value of pixels without data; None if the file names none."""
    try:
        return float(str(read(NODATA)).strip("\0 "))
    except ValueError:
        return None


def _is_of(kind: int, value: Any) -> bool:
    """Return whether the value of a tag has the type that the tag must have."""
    if kind == _ASCII:
        return isinstance(value, str) and value.isascii()
    numbers = int if kind == _SHORT else (int, float)
    return isinstance(value, tuple) and all(isinstance(number, numbers) for number in value)


def _to_number(value: Any) -> float:
    """Convert a resolution to a float, or to 0 if it is none; tifffile returns fractions as pairs."""
    try:
        numerator, denominator = value if isinstance(value, tuple) else (value, 1)
        return float(numerator) / float(denominator)
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
