"""The size of a pixel, as OME-TIFF and ImageJ state it in the description of a TIFF."""

from __future__ import annotations

import re
from contextlib import suppress

_CENTIMETRES = {
    "pm": 1e-10,
    "nm": 1e-7,
    "µm": 1e-4,
    "\N{GREEK SMALL LETTER MU}m": 1e-4,
    "\\u00b5m": 1e-4,  # as ImageJ writes it
    "um": 1e-4,
    "micron": 1e-4,
    "microns": 1e-4,
    "mm": 0.1,
    "cm": 1.0,
    "m": 100.0,
    "inch": 2.54,
}

_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b([^>]*)>")


def pixels_per_centimetre(description: str, resolution: tuple[float, float]) -> tuple[float, float] | None:
    """Return how many pixels a centimetre has horizontally and vertically; None if the description does not say.

    Args:
        description: the description of a TIFF.
        resolution: the resolution of the TIFF, which in ImageJ's files has the unit that the description states.
    """
    if description.startswith("ImageJ="):
        unit = re.search(r"^unit=(.*)$", description, re.MULTILINE)
        size = _CENTIMETRES.get(unit[1].strip().lower()) if unit else None
        return None if size is None or min(resolution) <= 0 else (resolution[0] / size, resolution[1] / size)
    if "<OME" not in description and ":OME" not in description:
        return None
    match = _PIXELS.search(description)
    sizes = [_size_of(match[1] if match else "", axis) for axis in "XY"]
    return (1 / sizes[0], 1 / sizes[1]) if min(sizes) > 0 else None


def _size_of(attributes: str, axis: str) -> float:
    """Return a side of a pixel in centimetres; 0 if the attributes of OME's pixels do not say."""
    said: dict[str, str] = dict(re.findall(r'\bPhysicalSize(\w+)="([^"]*)"', attributes))
    unit = said.get(f"{axis}Unit", "µm").replace("&#181;", "µ")
    with suppress(UnicodeError):  # Pillow reads text as Latin-1
        unit = unit.encode("latin-1").decode("utf-8")
    try:
        return float(said.get(axis, 0)) * _CENTIMETRES.get(unit, 0.0)
    except ValueError:
        return 0.0
