"""Translating a scene from disk to disk, in windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.windows import Window
from torch import Tensor

from cgkit.contracts import FileModel, ImageHeader
from cgkit.errors import DataError
from cgkit_geo.bands import Bands, Choice, choose_bands
from cgkit_geo.datasets import Dataset, RasterioError, damaged, gdal, open_path
from cgkit_geo.georeference import georeference_of
from cgkit_geo.pixels import Hidden, Pixels, check_alpha, read_pixels
from cgkit_geo.writing import Writer, writing

WRITTEN = (".tif", ".tiff")

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Box:
    """A rectangle of a scene, from a row and a column up to others."""

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def of(cls, slices: tuple[slice, slice]) -> Box:
        """Return the box of some rows and columns."""
        rows, columns = slices
        return cls(rows.start, columns.start, rows.stop, columns.stop)

    def contains(self, other: Box) -> bool:
        """Return whether another box is within this one."""
        starts = self.top <= other.top and self.left <= other.left
        return starts and self.bottom >= other.bottom and self.right >= other.right

    def inside(self, outer: Box) -> tuple[slice, slice]:
        """Return the rows and the columns of this box in what another box covers."""
        top, left = self.top - outer.top, self.left - outer.left
        return slice(top, top + self.bottom - self.top), slice(left, left + self.right - self.left)


def translate_scene(
    source: Path,
    target: Path,
    model: FileModel,
    progress: Progress,
    choice: Choice = Choice(),  # noqa: B008
) -> list[str]:
    """Translate a scene into a GeoTIFF.

    Up to 64 million pixels, or if no windows are to be sampled, the result is that of the whole image. Larger scenes
    are translated in overlapping windows, whose norms use statistics of sampled windows.

    Args:
        source: the GeoTIFF, JPEG 2000 or VRT file.
        target: the GeoTIFF to write.
        model: the model.
        progress: called with the fraction completed so far.
        choice: the options of the format.

    Returns:
        a sentence on each thing that was lost.

    Raises:
        DataError: the scene cannot be read or does not fit the model, or `target` is no GeoTIFF.
    """
    if target.suffix.lower() not in WRITTEN:
        raise DataError("is translated into a GeoTIFF", hint="give --output a folder, or a file that ends in .tif")
    with gdal(), _opened(source, choice.overview) as dataset:
        bands = choose_bands(dataset, choice, model.channels[0])
        scene = _Scene(dataset, bands, model, choice.fill)
        scene.check()
        size = dataset.height, dataset.width
        channels, depth = model.channels[1], np.dtype(model.depth)
        georeference = georeference_of(dataset, bands)
        if scene.lacks_values:
            georeference = georeference.marking(depth)
        alpha = bands.shows_alpha and channels == model.channels[0]
        with writing(str(target), size, channels, depth.name, georeference, alpha=alpha) as writer:
            scene.translate(writer, progress)
    return georeference.lost(channels, depth)


def _opened(source: Path, overview: int | None) -> Dataset:
    try:
        return open_path(source, overview)
    except (RasterioError, ValueError) as error:
        raise damaged(error) from error


class _Scene:
    """A scene that is open, and its translation."""

    def __init__(self, dataset: Dataset, bands: Bands, model: FileModel, fill: float | None) -> None:
        self._dataset = dataset
        self._bands = bands
        self._model = model
        self._fill = fill
        self._size = dataset.height, dataset.width
        self._header: ImageHeader = bands.header(dataset)
        self._last: tuple[Box, Pixels] | None = None
        self.lacks_values = np.dtype(bands.depth).kind == "f" or bands.alpha is not None
        """Whether pixels may have no value although there is no nodata value."""

    def check(self) -> None:
        """Check that the alpha band looks like one, and that a window fits the model.

        Raises:
            DataError: it does not.
        """
        bands = self._bands
        if bands.alpha is not None and not bands.shows_alpha and not bands.sure:
            small = tuple(min(length, 512) for length in self._size)
            check_alpha(self._dataset.read(bands.alpha, out_shape=small), bands)
            self._bands = replace(bands, sure=True)
        self._read_unit(Box(0, 0, 1, 1))

    def translate(self, writer: Writer, progress: Progress) -> None:
        """Translate the scene, and write it."""
        self._model.translate_windows(
            lambda slices: self._read_unit(Box.of(slices)),
            lambda slices, translation: self._write(writer, Box.of(slices), translation),
            self._size,
            progress,
            lambda slices: float(self._read(Box.of(slices)).valid.mean()),
        )

    def _read(self, box: Box) -> Pixels:
        """Read a box, unless the last one that was read contains it."""
        if self._last is None or not self._last[0].contains(box):
            try:
                self._last = box, read_pixels(self._dataset, self._bands, _window(box))
            except RasterioError as error:
                raise damaged(error) from error
        outer, pixels = self._last
        return pixels.part(*box.inside(outer))

    def _read_unit(self, box: Box) -> Tensor:
        """Return a box of the scene in [0, 1]; pixels without values are 0, or as the format's option says."""
        pixels = self._read(box)
        values = pixels.filled(self._fill, shows_alpha=self._bands.shows_alpha)
        return self._model.to_unit(values, self._header)

    def _write(self, writer: Writer, box: Box, translation: Tensor) -> None:
        hidden = Hidden.of(self._read(box), self._bands)
        writer.write(self._model.to_values(translation), hidden, _window(box))


def _window(box: Box) -> Any:
    return Window(box.left, box.top, box.right - box.left, box.bottom - box.top)
