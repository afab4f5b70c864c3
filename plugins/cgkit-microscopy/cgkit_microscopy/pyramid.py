"""Write an image as a tiled pyramid in OME-TIFF; its windows come in any order."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffWriter

from cgkit_microscopy.opening import LARGEST

TILE = 512
"""The side of a tile in pixels."""


class Canvas:
    """An image `(height, width, channels)` in a temporary file without a name; its windows are written and read."""

    def __init__(self, height: int, width: int, channels: int, depth: str) -> None:
        self.height, self.width, self.channels = height, width, channels
        self.dtype = np.dtype(depth)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # `close` removes it
        self._pixel = channels * self.dtype.itemsize
        self._file.truncate(height * width * self._pixel)

    def write(self, top: int, left: int, values: NDArray[Any]) -> None:
        """Write a window."""
        for number, row in enumerate(np.ascontiguousarray(values)):
            rest, at = row.tobytes(), self._place(top + number, left)
            while rest:
                written = os.pwrite(self._file.fileno(), rest, at)
                rest, at = rest[written:], at + written

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """Return a window, as far as it is inside."""
        height, width = min(height, self.height - top), min(width, self.width - left)
        window = np.empty((height, width, self.channels), self.dtype)
        for number in range(height):
            content = os.pread(self._file.fileno(), width * self._pixel, self._place(top + number, left))
            window[number] = np.frombuffer(content, self.dtype).reshape(width, self.channels)
        return window

    def halved(self) -> Canvas:
        """Return a copy of half the size, in which each pixel is the mean of four; at the edge, of those there are."""
        half = Canvas((self.height + 1) // 2, (self.width + 1) // 2, self.channels, self.dtype.name)
        side = 4 * TILE
        for top in range(0, self.height, side):
            for left in range(0, self.width, side):
                half.write(top // 2, left // 2, _halve(self.read(top, left, side, side)))
        return half

    def tiles(self, channel: int | None) -> Iterator[NDArray[Any]]:
        """Yield all tiles row by row, of one channel or of all; those at the edge are padded."""
        for top in range(0, self.height, TILE):
            for left in range(0, self.width, TILE):
                values = self.read(top, left, TILE, TILE)
                below, right = TILE - values.shape[0], TILE - values.shape[1]
                values = np.pad(values, ((0, below), (0, right), (0, 0)), mode="edge")
                yield values if channel is None else np.ascontiguousarray(values[..., channel])

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def _place(self, row: int, column: int) -> int:
        return (row * self.width + column) * self._pixel


def _halve(values: NDArray[Any]) -> NDArray[Any]:
    even = np.pad(values, ((0, values.shape[0] % 2), (0, values.shape[1] % 2), (0, 0)), mode="edge")
    height, width, channels = even.shape
    means = even.reshape(height // 2, 2, width // 2, 2, channels).mean(axis=(1, 3), dtype=np.float64)
    halved: NDArray[Any] = (np.rint(means) if values.dtype.kind in "iu" else means).astype(values.dtype)
    return halved


def write_pyramid(
    path: Path,
    image: Canvas,
    description: bytes,
    pixel: tuple[float, float] | None,
    quality: int | None,
    progress: Callable[[float], None],
) -> None:
    """Write an image and smaller copies of it.

    Args:
        path: the file to write.
        image: the image; three channels of 8 bits are colour.
        description: its OME-XML.
        pixel: the width and height of a pixel in micrometres.
        quality: the quality of JPEG from 1 to 100; None to compress without loss.
        progress: called with the fraction completed so far.
    """
    levels = [image]
    try:
        while max(levels[-1].height, levels[-1].width) > TILE:
            levels.append(levels[-1].halved())
            progress(0.4)
        channels: list[int | None] = [None] if image.channels == 3 else list(range(image.channels))
        size = 2 * image.height * image.width * image.channels * image.dtype.itemsize
        with TiffWriter(path, bigtiff=size > LARGEST, ome=False, byteorder="<") as writer:
            for number, channel in enumerate(channels):
                _write_levels(writer, levels, channel, description if number == 0 else None, pixel, quality)
                progress(0.4 + 0.6 * (number + 1) / len(channels))
    finally:
        for level in levels[1:]:
            level.close()


def _write_levels(
    writer: TiffWriter,
    levels: list[Canvas],
    channel: int | None,
    description: bytes | None,
    pixel: tuple[float, float] | None,
    quality: int | None,
) -> None:
    first = levels[0]
    colour = channel is None
    options: dict[str, Any] = {
        "dtype": first.dtype,
        "tile": (TILE, TILE),
        "photometric": "rgb" if colour else "minisblack",
        "metadata": None,
        "maxworkers": 1,
        "software": "cgkit",
    }
    if colour:
        options["planarconfig"] = "contig"
    if quality is None:
        options |= {"compression": "zlib", "predictor": first.dtype.kind in "iu"}
    else:
        options |= {"compression": "jpeg", "compressionargs": {"level": quality}}
    for number, level in enumerate(levels):
        own: dict[str, Any] = {"subfiletype": 1} if number else {"subifds": len(levels) - 1, "description": description}
        if pixel is not None:
            x, y = pixel[0] * first.width / level.width, pixel[1] * first.height / level.height
            own |= {"resolution": (10_000 / x, 10_000 / y), "resolutionunit": "CENTIMETER"}
        shape = (level.height, level.width, 3) if colour else (level.height, level.width)
        writer.write(level.tiles(channel), shape=shape, **options, **own)
