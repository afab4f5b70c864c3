"""The formats `geo` and `scene`."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray
from rasterio.io import MemoryFile

from cgkit.contracts import FileModel, OpenImage, Reading
from cgkit.errors import CgkitWarning, DataError
from cgkit_geo.bands import Bands, Choice, choose_bands
from cgkit_geo.datasets import Dataset, RasterioError, driver_of, gdal, open_path, open_stream
from cgkit_geo.georeference import Georeference, georeference_of
from cgkit_geo.pixels import Hidden, Pixels, read_pixels
from cgkit_geo.scenes import translate_scene
from cgkit_geo.writing import writing

LARGE = 64_000_000
"""The most pixels of an image that is read into memory; more are a scene. The same as cgkit's own limit."""


@dataclass(frozen=True)
class Carry:
    """What a file says besides the pixels of the image."""

    georeference: Georeference
    hidden: Hidden


class Geo:
    """GeoTIFF with its georeference, nodata, masks and overviews; translations are GeoTIFFs with all of these.

    Args:
        bands: the numbers of the bands to read, from 1, in this order; by default all but an alpha band.
        alpha: whether a band that is tagged as alpha is one; by default it must look like one.
        overview: the overview to read in place of the image, from 0 for the largest.
        fill: the stored value of pixels without data; by default the low end of the range of values.
    """

    suffixes: tuple[str, ...] = (".tif", ".tiff")
    only_if_chosen = True
    drivers: tuple[str, ...] = ("GTiff",)

    def __init__(
        self,
        *,
        bands: tuple[int, ...] | None = None,
        alpha: bool | None = None,
        overview: int | None = None,
        fill: float | None = None,
    ) -> None:
        if bands is not None and (not bands or min(bands) < 1):
            raise ValueError("bands are numbered from 1, and there must be at least one")
        if overview is not None and overview < 0:
            raise ValueError("overviews are numbered from 0")
        self._choice = Choice(bands, alpha, overview, fill)

    def recognises(self, start: bytes) -> bool:
        """Return whether a file starts like one of the format."""
        return driver_of(start) in self.drivers

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Read the header of a file.

        Raises:
            DataError: its bands cannot be read as an image, or it refers to files that may not be read.
        """
        if reading.pages:
            raise DataError("may have several pages, which this format does not read", hint="leave out data.pages")
        with gdal():
            dataset, kept = open_stream(stream, self._choice.overview)
            bands = choose_bands(dataset, self._choice, reading.alpha_of)
            opened = _Opened(dataset, kept, bands, self._choice.fill)
        return OpenImage(opened.bands.header(dataset), opened.decode, opened.carry)

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return true: GeoTIFF can store every image."""
        return True

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        """Write a GeoTIFF, compressed without loss, with what the source says; a warning says what is lost."""
        georeference, hidden = (carry.georeference, carry.hidden) if carry is not None else (Georeference(), None)
        if hidden is not None and hidden.where.any():
            georeference = georeference.marking(values.dtype)
        with MemoryFile(filename=f"{uuid.uuid4()}.tif") as memory:
            size, channels, depth = values.shape[:2], values.shape[2], values.dtype.name
            with writing(memory.name, size, channels, depth, georeference, alpha=alpha) as writer:
                writer.write(values, hidden)
            stream.write(memory.read())
        for sentence in georeference.lost(channels, values.dtype):
            warnings.warn(f"of the source of a translation, {sentence}", CgkitWarning, stacklevel=2)

    def whole(self, path: Path) -> bool:
        """Return whether a file is a scene: an image with more pixels than are read into memory."""
        return _is_large(path, self._choice, ("GTiff",))

    def written_as(self, path: Path) -> str:
        """Return the suffix of the translation of a whole file: its own if that is a GeoTIFF's."""
        return path.suffix if path.suffix.lower() in Geo.suffixes else ".tif"

    def translate(
        self, source: Path, target: Path, model: FileModel, progress: Callable[[float], None]
    ) -> Sequence[str]:
        """Translate a scene from disk to disk; see `cgkit_geo.scenes`."""
        return translate_scene(source, target, model, progress, self._choice)


class Scene(Geo):
    """JPEG 2000, VRT, and GeoTIFFs of more than 64 million pixels; translations are GeoTIFFs.

    Args:
        bands: the numbers of the bands to read, from 1, in this order; by default all but an alpha band.
        alpha: whether a band that is tagged as alpha is one; by default it must look like one.
        overview: the overview to read in place of the image, from 0 for the largest.
        fill: the stored value of pixels without data; by default the low end of the range of values.
    """

    suffixes = (".jp2", ".vrt")
    only_if_chosen = False
    drivers = ("JP2OpenJPEG", "VRT")

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return false: translations are GeoTIFFs."""
        return False

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        """Raise an exception: the format holds nothing."""
        raise NotImplementedError

    def whole(self, path: Path) -> bool:
        """Return whether a file is JPEG 2000 or VRT, which are written as GeoTIFF, or a large GeoTIFF."""
        if path.suffix.lower() in self.suffixes:
            return path.is_file()
        return super().whole(path)


class _Opened:
    """An open file. Its pixels are read once, for the image and for what is written back."""

    def __init__(self, dataset: Dataset, kept: object, bands: Bands, fill: float | None) -> None:
        self._dataset = dataset
        self._kept = kept
        self._fill = fill
        self.bands = bands

    def decode(self) -> NDArray[Any]:
        return self._pixels.filled(self._fill, shows_alpha=self.bands.shows_alpha)

    def carry(self) -> Carry:
        with gdal():
            return Carry(georeference_of(self._dataset, self.bands), Hidden.of(self._pixels, self.bands))

    @cached_property
    def _pixels(self) -> Pixels:
        with gdal():
            return read_pixels(self._dataset, self.bands)


def _is_large(path: Path, choice: Choice, drivers: Sequence[str]) -> bool:
    if path.suffix.lower() not in Geo.suffixes or not path.is_file():
        return False
    with path.open("rb") as stream:
        if driver_of(stream.read(512)) not in drivers:
            return False
    try:
        with gdal(), open_path(path, choice.overview) as dataset:
            return bool(dataset.width * dataset.height > LARGE)
    except (DataError, RasterioError):  # reading it says why
        return False
