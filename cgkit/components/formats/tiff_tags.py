"""What a TIFF file says besides its pixels and that is still true of a translation: resolution and georeference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_SHORT, _ASCII, _DOUBLE = 3, 2, 12

KEPT = {
    33550: _DOUBLE,  # ModelPixelScale
    33922: _DOUBLE,  # ModelTiepoint
    34264: _DOUBLE,  # ModelTransformation
    34735: _SHORT,  # GeoKeyDirectory
    34736: _DOUBLE,  # GeoDoubleParams
    34737: _ASCII,  # GeoAsciiParams
}
"""The tags of GeoTIFF that are carried over (OGC 19-008r4), each with its type in the file."""

RESOLUTION, UNIT = (282, 283), 296
"""The tags of the horizontal and the vertical resolution, and that of their unit."""

_ORIENTATION = 274


def carried_tags(read: Callable[[int], Any]) -> dict[int, Any]:
    """Return the tags to carry over to a translation, by their number; malformed tags are left out.

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
        return {}
    kept = {code: value for code, kind in KEPT.items() if _is_of(kind, value := value_of(code))}
    resolution = {code: _to_number(value_of(code)) for code in RESOLUTION}
    if all(dots > 0 for dots in resolution.values()):
        kept |= {**resolution, UNIT: 3 if value_of(UNIT) == 3 else 2}
    return kept


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
