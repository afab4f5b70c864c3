"""The levels of a slide, and which part of which one is meant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tifffile import TiffFile

from cgkit.contracts import ImageHeader, Layout
from cgkit.errors import DataError
from cgkit_microscopy import imagej, ome
from cgkit_microscopy.opening import check_one_file, main_series, positions, resolution_of
from cgkit_microscopy.tiles import CACHE_BYTES, Pages

FAR = 1.2
"""The ratio of the wanted and the actual size of pixels above which a level is said to be far from it."""

_PLAUSIBLE = (0.01, 100.0)
"""The sizes of pixels in micrometres that a microscope may have; programs write others by default."""

_UNITS = {2: 25_400.0, 3: 10_000.0}  # TIFF's ResolutionUnit: inches and centimetres, in micrometres
_ALPHAS = (1, 2)


@dataclass(frozen=True)
class Wanted:
    """Which part of a slide is meant.

    Attributes:
        level: the number of the level, from 0 for the largest; None for that of `mpp`, or the largest.
        mpp: the wanted size of a pixel in micrometres.
        region: left, top, width and height in pixels of level 0; None for everything.
        select: the numbers of the channels, from 1, of slides whose channels are pages; None for all.
    """

    level: int | None = None
    mpp: float | None = None
    region: tuple[int, int, int, int] | None = None
    select: tuple[int, ...] | None = None

    def or_as_trained(self, options: Mapping[str, Any]) -> Wanted:
        """Return what is wanted, with the level and the channels that the training used if none are."""
        trained = options.get("select")
        selected = self.select or (None if trained is None else tuple(trained))
        if self.level is not None or self.mpp is not None:
            return replace(self, select=selected)
        return Wanted(options.get("level"), options.get("mpp"), self.region, selected)


@dataclass(frozen=True)
class Part:
    """A part of a level.

    Attributes:
        pages: the level.
        top: its first row.
        left: its first column.
        height: the number of its rows.
        width: the number of its columns.
        pixel: the width and height of a pixel in micrometres; None if the file does not say.
        header: the header of the part, as an image.
        series: the number of its image in the file.
        selected: its channels among those of the slide, from 0; one if they are samples of the same pixels.
        all_channels: the number of channels of the slide, likewise.
        remarks: a sentence on each thing that differs from what is wanted.
    """

    pages: Pages
    top: int
    left: int
    height: int
    width: int
    pixel: tuple[float, float] | None
    header: ImageHeader
    series: int
    selected: tuple[int, ...]
    all_channels: int
    remarks: tuple[str, ...] = ()

    @property
    def left_out(self) -> int:
        """The number of channels of the slide that are not read."""
        return self.all_channels - len(self.selected)

    def read(self, rows: slice, columns: slice) -> Any:
        """Return a window of the part, `(rows, columns, channels)`."""
        return self.pages.read(
            slice(self.top + rows.start, self.top + rows.stop),
            slice(self.left + columns.start, self.left + columns.stop),
        )


def micrometres(file: TiffFile, number: int) -> tuple[float, float] | None:
    """Return the width and the height of a pixel of level 0 in micrometres; None if the file does not say."""
    if file.is_ome:
        return ome.micrometres(file.ome_metadata or "", number)
    if file.is_imagej:
        return imagej.micrometres(file)
    page = file.pages.first
    if match := re.search(r"\bMPP\s*=\s*([\d.]+)", page.description):
        return float(match[1]), float(match[1])
    if match := re.search(r'"DICOM_PIXEL_SPACING"[^>]*>"?([\d.]+)"? "?([\d.]+)', page.description):  # Philips
        return float(match[2]) * 1000, float(match[1]) * 1000
    unit = _UNITS.get(int(page.tags.valueof(296, 1) or 1))
    dots = resolution_of(page)
    if unit is None or min(dots) <= 0:
        return None
    x, y = unit / dots[0], unit / dots[1]
    return (x, y) if all(_PLAUSIBLE[0] <= size <= _PLAUSIBLE[1] for size in (x, y)) else None


def find_part(file: TiffFile, wanted: Wanted, cache: int = CACHE_BYTES) -> Part:
    """Return the part of a slide that is meant.

    Args:
        file: the slide.
        wanted: what is meant.
        cache: the number of bytes of decoded tiles to keep.

    Raises:
        DataError: there is no such level or region, or the slide has several planes.
    """
    series = main_series(file)
    check_one_file(file, series)
    if (planes := positions(series)) > 1:
        raise DataError(f"has {planes} planes (axes {series.axes})", hint="save each plane as a slide")
    image = file.series.index(series)
    pixel = micrometres(file, image)
    widths = [int(level.keyframe.imagewidth) for level in series.levels]
    number, remarks = _choose_level(widths, pixel, wanted)
    of_level = series.levels[number].pages
    selected = _select(of_level, wanted.select)
    pages = Pages(file, [of_level[index] for index in selected], cache)
    whole = int(series.keyframe.imagewidth), int(series.keyframe.imagelength)
    left, top, width, height = _scale_region(wanted.region, whole, (pages.width, pages.height))
    if pixel is not None:
        pixel = pixel[0] * whole[0] / pages.width, pixel[1] * whole[1] / pages.height
    header = _header(pages, series.keyframe, width, height)
    return Part(pages, top, left, height, width, pixel, header, image, selected, len(of_level), tuple(remarks))


def _select(pages: Sequence[Any], numbers: Sequence[int] | None) -> tuple[int, ...]:
    """Return the indices of the pages to read, each of which is a channel."""
    if numbers is None:
        return tuple(range(len(pages)))
    if max(numbers) > len(pages):
        raise DataError(
            f"has {len(pages)} channel{'s' * (len(pages) > 1)} in pages of their own, so there is no {max(numbers)}",
            hint="set select, or leave it out for colour",
        )
    return tuple(number - 1 for number in numbers)


def _choose_level(widths: list[int], pixel: tuple[float, float] | None, wanted: Wanted) -> tuple[int, list[str]]:
    if wanted.mpp is None:
        number = wanted.level or 0
        if number >= len(widths):
            raise DataError(
                f"has {len(widths)} levels, so there is no level {number}",
                hint=f"levels are numbered from 0: set level to {len(widths) - 1} or less",
            )
        return number, []
    if pixel is None:
        raise DataError("does not say the size of its pixels", hint="set level in place of mpp")
    sizes = [pixel[0] * widths[0] / width for width in widths]
    ratios = [max(size / wanted.mpp, wanted.mpp / size) for size in sizes]
    number = min(range(len(widths)), key=ratios.__getitem__)
    if ratios[number] <= FAR:
        return number, []
    return number, [f"its nearest level has {sizes[number]:.3g} micrometres per pixel, not {wanted.mpp:g}"]


def _scale_region(
    region: tuple[int, int, int, int] | None, whole: tuple[int, int], level: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return left, top, width and height in pixels of a level."""
    left, top, width, height = region or (0, 0, *whole)
    if left < 0 or top < 0 or width < 1 or height < 1 or left + width > whole[0] or top + height > whole[1]:
        raise DataError(
            f"has {whole[0]} x {whole[1]} pixels, so the region {[left, top, width, height]} is not inside",
            hint="region is [left, top, width, height] in pixels of level 0",
        )
    x, y = level[0] / whole[0], level[1] / whole[1]
    first = min(int(left * x), level[0] - 1), min(int(top * y), level[1] - 1)
    last = max(first[0] + 1, round((left + width) * x)), max(first[1] + 1, round((top + height) * y))
    return first[0], first[1], min(last[0], level[0]) - first[0], min(last[1], level[1]) - first[1]


def _header(pages: Pages, frame: Any, width: int, height: int) -> ImageHeader:
    alpha = pages.channels in (2, 4) and any(int(extra) in _ALPHAS for extra in frame.extrasamples)
    layout: Layout = "bands"
    if pages.channels - alpha in (1, 3) and pages.channels == pages.samples:
        layout = "grey" if pages.channels - alpha == 1 else "colour"
    return ImageHeader(width, height, pages.channels, "slide", pages.dtype.name, layout, alpha)
