"""Read windows of a page of a TIFF file: only the tiles that they touch are decoded."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile

from cgkit.errors import DataError
from cgkit_microscopy.opening import truncated

CACHE_BYTES = 128_000_000
"""Memory for decoded tiles."""

MOST_BYTES = 256_000_000
"""The most bytes of a tile, or of a strip of rows."""

_WHITE_IS_ZERO, _PALETTE, _APERIO_YCBCR = 0, 3, 33003


class Pages:
    """The pages of an image, one for each channel, or a single one with all samples; its windows are read from disk.

    Args:
        file: the open file.
        pages: the pages, all of the same size and type.
        cache: the number of bytes of decoded tiles to keep.

    Raises:
        DataError: they cannot be read window by window.
    """

    def __init__(self, file: TiffFile, pages: Sequence[Any], cache: int = CACHE_BYTES) -> None:
        self._file = file
        self._pages = list(pages)
        frame = self._frame = self._pages[0].keyframe
        self.height, self.width = int(frame.imagelength), int(frame.imagewidth)
        self.samples = int(frame.samplesperpixel)
        if int(frame.photometric) == _PALETTE:
            raise DataError("has a palette", hint="save it as grey or as RGB")
        if frame.dtype is None or frame.dtype.kind not in "uif" or frame.imagedepth != 1:
            raise DataError(f"has values of type {frame.dtype}, which are not those of an image")
        self.dtype = np.dtype(frame.dtype).newbyteorder("=")
        self._tile = (
            (int(frame.tilelength), int(frame.tilewidth)) if frame.is_tiled else (int(frame.rowsperstrip), self.width)
        )
        self._grid = tuple(math.ceil(a / b) for a, b in zip((self.height, self.width), self._tile, strict=True))
        self._separate = self.samples if int(frame.planarconfig) == 2 else 1
        if math.prod(self._tile) * self.samples * self.dtype.itemsize > MOST_BYTES:
            raise DataError("is not stored in tiles, so it cannot be read window by window", hint="save it with tiles")
        self._cache: OrderedDict[tuple[int, int], NDArray[Any]] = OrderedDict()
        self._cached, self._most = 0, cache

    @property
    def channels(self) -> int:
        """The number of channels of all pages."""
        return len(self._pages) * self.samples

    def read(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Return a window, `(rows, columns, channels)`.

        Raises:
            DataError: the file is truncated.
        """
        window = np.empty((rows.stop - rows.start, columns.stop - columns.start, self.channels), self.dtype)
        for number in range(len(self._pages)):
            for plane in range(self._separate):
                first = number * self.samples + plane
                part = window[..., first : first + (1 if self._separate > 1 else self.samples)]
                self._fill(part, number, plane, rows, columns)
        return window

    def _fill(self, window: NDArray[Any], page: int, plane: int, rows: slice, columns: slice) -> None:
        """Copy what the tiles of a page hold of a window."""
        high, wide = self._tile
        for row in range(rows.start // high, -(-rows.stop // high)):
            for column in range(columns.start // wide, -(-columns.stop // wide)):
                tile = self._decoded(page, (plane * self._grid[0] + row) * self._grid[1] + column)
                top, left = max(rows.start, row * high), max(columns.start, column * wide)
                bottom, right = min(rows.stop, (row + 1) * high), min(columns.stop, (column + 1) * wide)
                window[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start] = tile[
                    top - row * high : bottom - row * high, left - column * wide : right - column * wide
                ]

    def _decoded(self, page: int, index: int) -> NDArray[Any]:
        """Return a tile, `(high, wide, samples)`, from the cache or from the file."""
        key = page, index
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        tile = self._decode(self._pages[page], index)
        self._cache[key] = tile
        self._cached += tile.nbytes
        while self._cached > self._most and len(self._cache) > 1:
            self._cached -= self._cache.popitem(last=False)[1].nbytes
        return tile

    def _decode(self, page: Any, index: int) -> NDArray[Any]:
        if index >= len(page.dataoffsets):
            raise truncated()
        start, size = page.dataoffsets[index], page.databytecounts[index]
        if size == 0:  # scanners leave out tiles without tissue
            shape = (*self._tile, 1 if self._separate > 1 else self.samples)
            return np.full(shape, np.iinfo(self.dtype).max if self.samples == 3 and self.dtype.kind == "u" else 0)
        self._file.filehandle.seek(start)
        data = self._file.filehandle.read(size)
        if len(data) < size:
            raise truncated()
        tables = {"jpegtables": self._frame.jpegtables, "jpegheader": self._frame.jpegheader}
        tile: NDArray[Any] = self._frame.decode(data, index, **tables)[0][0]
        if int(self._frame.compression) == _APERIO_YCBCR and self.samples == 3:
            tile = _to_rgb(tile)
        if int(self._frame.photometric) == _WHITE_IS_ZERO and tile.dtype.kind == "u":
            tile = ~tile
        return tile.astype(self.dtype, copy=False)


def _to_rgb(values: NDArray[Any]) -> NDArray[Any]:
    """Convert luma and chroma, as Aperio stores them in JPEG 2000, to colour (ITU-R BT.601, full range)."""
    luma, blue, red = (values[..., channel].astype(np.float32) for channel in range(3))
    blue, red = blue - 128, red - 128
    colours = [luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue]
    return np.stack(colours, axis=-1).round().clip(0, 255).astype(np.uint8)
