"""What a folder of images looks like: what `cgkit init` makes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, multimode

from cgkit.errors import DataError
from cgkit.files.image_files import list_images
from cgkit.images.admission import inspect_image
from cgkit.images.header import ImageHeader
from cgkit.images.pixels import Range
from cgkit.images.reading import extremes_of

LOOKED_INTO = 64
"""Of how many images the values are looked at; evenly spread over the folder."""

ROUNDED_FROM = 10
"""How far a range must reach for whole numbers to be proposed as its ends."""


@dataclass(frozen=True)
class Sight:
    """What one folder holds.

    Attributes:
        count: how many readable images.
        side: the median of their shorter sides.
        channels: 1 where all are grey, that of most where they are bands, else 3.
        depth: the type of the values of most.
        span: what the values range over, where the type does not say it.
    """

    count: int
    side: float
    channels: int
    depth: str
    span: Range | None

    def describe(self) -> str:
        """Return the channels and values in words: `colour`, or `13 bands of float32 from -1000 to 3000`."""
        kind = {1: "grey", 3: "colour"}.get(self.channels, f"{self.channels} bands")
        depth = "" if self.depth == "uint8" else f" of {self.depth}"
        return kind + depth + (f" from {self.span[0]:g} to {self.span[1]:g}" if self.span else "")


def look_at(folder: Path) -> tuple[Sight, list[DataError]]:
    """Look at every header, and into some images; return what was seen, and what cannot be read.

    Raises:
        DataError: the folder holds no readable image.
    """
    headers: dict[Path, ImageHeader] = {}
    bad: list[DataError] = []
    for path in list_images(folder):
        try:
            headers[path] = inspect_image(path)
        except DataError as error:
            bad.append(error)
    if not headers:
        raise bad[0]
    side = median(min(header.width, header.height) for header in headers.values())
    depth = multimode(header.depth for header in headers.values())[0]
    alike = [path for path, header in headers.items() if header.depth == depth]
    return Sight(len(headers), side, _channels(list(headers.values())), depth, _span(alike, depth)), bad


def _channels(headers: Sequence[ImageHeader]) -> int:
    if any(header.layout == "bands" for header in headers):
        return multimode(header.channels for header in headers)[0]
    return 1 if all(header.layout == "grey" for header in headers) else 3


def _span(files: Sequence[Path], depth: str) -> Range | None:
    """Return what values range over; of 16 bits, what so many bits hold as there are in use."""
    if depth in ("bool", "uint8"):
        return None
    lows, highs = zip(*(extremes_of(path) for path in files[:: -(-len(files) // LOOKED_INTO)]), strict=True)
    low, high = min(lows), max(highs)
    if depth == "uint16":
        bits = max(8, int(high).bit_length())
        return None if bits == 16 else (0, 2**bits - 1)
    if high - low >= ROUNDED_FROM:
        low, high = math.floor(low), math.ceil(high)
    return (low, high) if low < high else (low, low + 1)
