"""Open TIFF files with tifffile, and tell which of them are stacks and which are slides."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tifffile import TiffFile

from cgkit.errors import DataError

TIFFS = (".tif", ".tiff", ".btf", ".tf2", ".tf8")
SLIDES = (".svs", ".ndpi", ".scn", ".bif")
"""The suffixes of slides of Aperio, Hamamatsu, Leica and Ventana, which are TIFF files inside."""

LARGEST = 4_000_000_000
"""The most bytes of a file that is no BigTIFF, with room for its metadata."""

ASSOCIATED = ("label", "macro", "map", "thumbnail", "overview", "reference")
"""What the pictures are called that come with a slide. A label may show the name of a patient."""

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # TIFF and BigTIFF
_RESOLUTION = (282, 283)  # the tags of the resolution
_PLACES = (33550, 33922, 34264)  # the tags of a place on Earth

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # keep tifffile's messages off stderr


@contextmanager
def opened(path: Path) -> Iterator[TiffFile]:
    """Open a TIFF file during a `with` block."""
    with TiffFile(path) as file:
        yield file


def is_tiff(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Return whether a path is a TIFF file with one of the suffixes."""
    if path.suffix.lower() not in suffixes or not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) in _MAGIC


def resolution_of(page: Any) -> tuple[float, float]:
    """Return the horizontal and the vertical resolution of a page in pixels per unit; 0 if it does not say."""
    x, y = (_to_number(page.tags.valueof(code)) for code in _RESOLUTION)
    return x, y


def _to_number(value: Any) -> float:
    try:
        return float(value[0] / value[1])
    except (TypeError, IndexError, ZeroDivisionError):
        return 0.0


def is_map(file: TiffFile) -> bool:
    """Return whether a file has a place on Earth."""
    return any(code in file.pages.first.tags for code in _PLACES)


def is_slide(file: TiffFile) -> bool:
    """Return whether an open file is a whole slide: a single plane with smaller copies of it, or a scanner's file."""
    if file.is_svs or file.is_ndpi or file.is_scn or file.is_bif or file.is_philips:
        return True
    page = file.pages.first
    return bool(page.is_tiled and not is_map(file) and _is_pyramid(file) and positions(main_series(file)) == 1)


def _is_pyramid(file: TiffFile) -> bool:
    """Return whether there are smaller copies of the first page; only then are all pages looked at."""
    first = file.pages.first
    reduced = first.subifds or (len(file.pages) > 1 and file.pages[1].aspage().is_reduced)
    return bool(reduced) and len(main_series(file).levels) > 1


def main_series(file: TiffFile) -> Any:
    """Return the largest image of a file, without those that come with a slide."""
    named = [series for series in file.series if not is_associated(series)]
    return max(named or file.series, key=lambda series: math.prod(series.shape))


def is_associated(series: Any) -> bool:
    """Return whether an image is one that comes with a slide, such as its label."""
    words = series.name.lower().split()
    return bool(words) and words[0] in ASSOCIATED


def positions(series: Any) -> int:
    """Return how many images of all channels there are: planes, times, and so on."""
    lengths = zip(series.axes, series.shape, strict=True)
    return math.prod(length for axis, length in lengths if axis not in "YXSC")


def check_one_file(file: TiffFile, series: Any) -> None:
    """Check that all planes are in this file.

    Raises:
        DataError: some are in other files, or are missing.
    """
    pages = list(series.pages)
    if any(page is None for page in pages):
        raise DataError("lacks some of its planes", hint="copy all files of the data set, or save it as one file")
    if any(page.parent.filehandle is not file.filehandle for page in pages):
        raise DataError(
            "has its planes in several files", hint="save it as one file, for example with bfconvert or Fiji"
        )


def check_page(page: Any, length: int) -> None:
    """Check that a page can be read, and that all of its data is there.

    Args:
        page: the page.
        length: the length of the file in bytes.

    Raises:
        DataError: it cannot be read, or some of its data is missing.
    """
    frame = page.keyframe
    if frame.axes not in ("YX", "YXS", "SYX") or frame.dtype is None or frame.dtype.kind not in "biuf":
        raise DataError(f"has pages with axes {frame.axes} and type {frame.dtype}, which are not those of an image")
    ends = (start + size for start, size in zip(page.dataoffsets, page.databytecounts, strict=False))
    if not page.dataoffsets or max(ends) > length or min(page.databytecounts) == 0:
        raise truncated()


def truncated() -> DataError:
    """Return the error for a file that ends too early."""
    return DataError("damaged or truncated: some of its data is missing", hint="copy it again, or remove it")
