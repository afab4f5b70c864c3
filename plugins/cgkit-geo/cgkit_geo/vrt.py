"""Refuse virtual rasters that read anything but the local files next to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from cgkit.errors import DataError

MOST_BYTES = 16_000_000
DEPTH = 4
"""How deep virtual rasters may be nested."""

JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # TIFF and BigTIFF

_SOURCES = ("SimpleSource", "ComplexSource", "AveragedSource", "NoDataFromMaskSource", "KernelFilteredSource")
_HINT = "make it with gdalbuildvrt in the folder of its files, so that their names are relative"


def is_vrt(start: bytes) -> bool:
    """Return whether a file that starts with these bytes is a virtual raster."""
    return start.startswith((b"<VRTDataset", b"<?xml")) and b"<VRTDataset" in start


def check_vrt(path: Path, depth: int = 0) -> None:
    """Check that a virtual raster only refers to TIFF, JPEG 2000 and VRT files, by paths relative to its own.

    Raises:
        DataError: it refers to something else, computes its pixels in another way, or a file is missing.
    """
    if depth == DEPTH:
        raise DataError(f"refers to virtual rasters that are nested more than {DEPTH} deep")
    for name in _names_of_sources(_parse(path)):
        file = path.parent / name
        if not file.is_file():
            raise DataError(f"refers to {name}, which does not exist")
        with file.open("rb") as stream:
            start = stream.read(512)
        if is_vrt(start):
            check_vrt(file, depth + 1)
        elif not start.startswith((JP2, *TIFF)):
            raise DataError(f"refers to {name}, which is no TIFF, JPEG 2000 or VRT file")


def _parse(path: Path) -> ElementTree.Element:
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"is a virtual raster of more than {MOST_BYTES // 1_000_000} MB")
    content = path.read_bytes()
    if b"<!" in content.replace(b"<!--", b""):  # entities can expand to any size
        raise DataError("is a virtual raster with a document type, which is not supported")
    try:
        return ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise DataError(f"is no valid virtual raster: {error}") from error


def _names_of_sources(root: ElementTree.Element) -> Iterator[str]:
    """Yield the relative names of the files that a virtual raster refers to.

    Raises:
        DataError: a name is not that of a local file, or the raster is not a plain mosaic or stack of bands.
    """
    plain = (None, "VRTSourcedRasterBand")
    if root.tag != "VRTDataset" or any(element.get("subClass") not in plain for element in root.iter()):
        raise DataError("is a virtual raster that computes its pixels (warped, derived or raw), which is not supported")
    for element in root.iter():
        if element.tag.endswith("Source") and element.tag not in _SOURCES:
            raise DataError(f"is a virtual raster with a {element.tag}, which is not supported")
        if element.tag in ("SourceFilename", "SourceDataset"):
            name = (element.text or "").strip()
            if element.get("relativeToVRT") != "1" or name.startswith("/") or ":" in name or "\\" in name:
                raise DataError(f"refers to {name or 'a file without a name'}, which is no relative path", hint=_HINT)
            yield name
