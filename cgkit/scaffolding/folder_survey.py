"""A survey of the images in a folder; `cgkit init` uses it to fill in a spec."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, multimode

from cgkit.contracts import ImageHeader
from cgkit.errors import DataError
from cgkit.files.image_files import describe_kinds, survey_names
from cgkit.images.formats import Formats
from cgkit.images.known_headers import KnownHeaders
from cgkit.images.pixels import PixelFormat, Range
from cgkit.images.reading import extremes_of

SAMPLE_SIZE = 64
"""Pixel values are read from at most this many images, evenly spread over the folder."""

ALIKE = 1.1
"""Aspect ratios that differ by at most this factor are alike."""

MOST = 0.8
"""The fraction of images that must be alike."""

MIN_ROUNDED_SPAN = 10
"""A range of values that is at least this wide is rounded outwards to whole numbers."""


@dataclass(frozen=True)
class FolderSurvey:
    """Properties of the readable images in a folder.

    Attributes:
        count: number of readable images.
        side: median length of the images' shorter sides in pixels.
        smallest: length of the shortest side of all images in pixels.
        aspect: width divided by height, if nearly all images share it; else None.
        channels: 1 if all images are grey, the most frequent number of bands if there are multi-band images, else 3.
        depth: the most frequent type of the values.
        value_range: the values of black and white; None if the type implies them.
        others: the files that are not images, by kind: `4 .heic, 1 .gif`; empty if there are none.
    """

    count: int
    side: float
    smallest: int
    aspect: float | None
    channels: int
    depth: str
    value_range: Range | None
    others: str

    def describe(self) -> str:
        """Describe channels and values in words: `colour`, or `13 bands of float32 from -1000 to 3000`."""
        kind = {1: "grey", 3: "colour"}.get(self.channels, f"{self.channels} bands")
        depth = "" if self.depth == "uint8" else f" of {self.depth}"
        return kind + depth + (" from {:g} to {:g}".format(*self.value_range) if self.value_range else "")


def survey_folder(folder: Path, formats: Formats) -> tuple[FolderSurvey, list[DataError]]:
    """Read the headers of all images and the values of some; return a survey, and an error for each unreadable image.

    Raises:
        DataError: the folder contains no readable image.
    """
    headers: list[ImageHeader] = []
    files: dict[str, list[str]] = defaultdict(list)
    errors: list[DataError] = []
    with formats.listed():
        names, ignored = survey_names(folder)
    with KnownHeaders(PixelFormat(), formats) as known:
        for path in (f"{folder}/{name}" for name in names):
            try:
                header, _ = known.inspect(path)
            except DataError as error:
                errors.append(error)
                continue
            headers.append(header)
            files[header.depth].append(path)
    if not headers:
        raise errors[0]
    sides = [min(header.width, header.height) for header in headers]
    depth = max(files, key=lambda each: len(files[each]))
    return FolderSurvey(
        count=len(headers),
        side=median(sides),
        smallest=min(sides),
        aspect=_common_aspect(headers),
        channels=_common_channels(headers),
        depth=depth,
        value_range=_value_range(files[depth], depth, formats),
        others=describe_kinds(ignored),
    ), errors


def _common_aspect(headers: Sequence[ImageHeader]) -> float | None:
    aspects = [header.width / header.height for header in headers]
    middle = median(aspects)
    alike = sum(middle / ALIKE <= aspect <= middle * ALIKE for aspect in aspects)
    return middle if alike >= MOST * len(aspects) else None


def _common_channels(headers: Sequence[ImageHeader]) -> int:
    if any(header.layout == "bands" for header in headers):
        return multimode(header.channels for header in headers)[0]
    return 1 if all(header.layout == "grey" for header in headers) else 3


def _value_range(files: Sequence[str], depth: str, formats: Formats) -> Range | None:
    """Return the range of the values (for uint16, that of the bits in use); None if the type implies the range."""
    if depth in ("bool", "uint8"):
        return None
    samples = files[:: -(-len(files) // SAMPLE_SIZE)]
    lows, highs = zip(*(extremes_of(Path(path), formats=formats) for path in samples), strict=True)
    low, high = min(lows), max(highs)
    if depth == "uint16":
        bits = max(8, int(high).bit_length())
        return None if bits == 16 else (0, 2**bits - 1)
    if high - low >= MIN_ROUNDED_SPAN:
        low, high = math.floor(low), math.ceil(high)
    return (low, high) if low < high else (low, low + 1)
