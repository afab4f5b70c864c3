"""ImageJ's metadata of a translation: that of its source, as far as it is still true."""

from __future__ import annotations

from typing import Any

from tifffile import TiffFile, imagej_metadata_tag

from cgkit_microscopy.ome import Content
from cgkit_microscopy.opening import resolution_of

_KEPT = ("unit", "yunit", "zunit", "spacing", "finterval", "fps", "tunit", "loop", "xorigin", "yorigin", "zorigin")
_RENAMED = {"T": "frames", "Z": "slices", "C": "channels"}
_LEFT_OUT = {
    "Info": "the text about its acquisition",
    "ROI": "its region of interest",
    "Overlays": "its overlay",
    "Properties": "the list of its properties",
    "cf": "the calibration of its values",
}
MICROMETRES = {"micron": 1.0, "microns": 1.0, "um": 1.0, "µm": 1.0, "\\u00b5m": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4}
"""ImageJ's units of length, in micrometres."""

ExtraTag = tuple[int, int, int, bytes, bool]


def revise(file: TiffFile, content: Content, pages: int) -> tuple[bytes, tuple[ExtraTag, ...], list[str]]:
    """Return the description of a translation, further tags, and a sentence on each thing that is left out.

    Args:
        file: the source.
        content: what the translation holds.
        pages: the number of planes of the source.
    """
    said: dict[str, Any] = file.imagej_metadata or {}
    lines = ["ImageJ=1.11a", f"images={content.pages}"]
    lines += [f"{_RENAMED[axis]}={content.lengths[axis]}" for axis in "CZT" if axis in content.axes]
    if len(content.axes) > 1:
        lines.append("hyperstack=true")
    if said.get("mode") and content.samples == 1:
        lines.append(f"mode={said['mode']}")
    lines += [f"{name}={said[name]}" for name in _KEPT if name in said]
    kept: dict[str, Any] = {}
    remarks = [
        f"{what} {'are' if what.endswith('s') else 'is'} left out" for key, what in _LEFT_OUT.items() if key in said
    ]
    if "Labels" in said and content.pages == pages:
        kept["Labels"] = said["Labels"]
    elif "Labels" in said:
        remarks.append("the labels of its planes are left out, since the translation has another number of planes")
    if "LUTs" in said and content.kept is not None and content.samples == 1:
        kept["LUTs"] = [said["LUTs"][index] for index in content.kept if index < len(said["LUTs"])]
    elif "LUTs" in said:
        remarks.append("the colours of its channels are left out, since the translation has others")
    description = "\n".join(lines) + "\n"
    return _escaped(description), imagej_metadata_tag(kept, "<") if kept else (), remarks


def micrometres(file: TiffFile) -> tuple[float, float] | None:
    """Return the width and the height of a pixel in micrometres; None if the file does not say."""
    said: dict[str, Any] = file.imagej_metadata or {}
    unit = MICROMETRES.get(str(said.get("unit", "")).lower())
    x, y = resolution_of(file.pages.first)
    return (unit / x, unit / y) if unit and x > 0 and y > 0 else None


def _escaped(text: str) -> bytes:
    """Return text in ASCII, with other characters as ImageJ writes them."""
    return "".join(character if character.isascii() else f"\\u{ord(character):04X}" for character in text).encode()
