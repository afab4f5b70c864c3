"""Open files with GDAL, which must neither use the network nor guess other formats."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import rasterio
from rasterio.errors import NodataShadowWarning, NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile

from cgkit.errors import DataError
from cgkit_geo.vrt import JP2, TIFF, check_vrt, is_vrt

Dataset = Any
"""An open dataset of rasterio, which has no types."""

CACHE_MB = 128
"""Memory for the blocks of files; by default GDAL takes 5 % of the machine's."""

_OPTIONS = {
    "GDAL_CACHEMAX": CACHE_MB,
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}",
    "GDAL_TIFF_INTERNAL_MASK": "YES",
}

logging.getLogger("rasterio").addHandler(logging.NullHandler())  # keep GDAL's messages off stderr


@contextmanager
def gdal(**options: Any) -> Iterator[None]:
    """Set GDAL's options during a `with` block, in this thread."""
    # Files without a georeference are fine, and so are alpha bands besides a nodata value, since both are read. A
    # context that resets filters would not be safe in threads.
    for category in (NotGeoreferencedWarning, NodataShadowWarning):
        warnings.filterwarnings("ignore", category=category)
    with rasterio.Env(**{**_OPTIONS, **options}):
        yield


def driver_of(start: bytes) -> str | None:
    """Return GDAL's name for the format of a file that starts with the given bytes; None if it is none of ours."""
    if start.startswith(TIFF):
        return "GTiff"
    if start.startswith(JP2):
        return "JP2OpenJPEG"
    return "VRT" if is_vrt(start) else None


def open_stream(stream: BinaryIO, overview: int | None) -> tuple[Dataset, object]:
    """Open a file from a stream; by its path if the stream has one, since masks may be in files next to it.

    Returns:
        the dataset, and what must be kept as long as the dataset is used.

    Raises:
        DataError: see `open_path`.
        RasterioError: GDAL cannot open it.
    """
    name = getattr(stream, "name", None)
    if isinstance(name, str) and Path(name).is_file():
        return open_path(Path(name), overview), None
    driver = driver_of(stream.read(512))
    if driver == "VRT":
        raise DataError("is a virtual raster without a folder, so its files cannot be found")
    stream.seek(0)
    memory = MemoryFile(stream.read())
    return _open(lambda **options: memory.open(**options), driver, overview), memory


def open_path(path: Path, overview: int | None) -> Dataset:
    """Open a file.

    Args:
        path: the file.
        overview: the overview to read in place of the image, from 0 for the largest.

    Raises:
        DataError: it is a virtual raster that may not be read, has several pages, or lacks the overview.
        RasterioError: GDAL cannot open it.
    """
    with path.open("rb") as stream:
        driver = driver_of(stream.read(512))
    if driver == "VRT":
        check_vrt(path)
    return _open(lambda **options: rasterio.open(os.path.abspath(path), **options), driver, overview)  # noqa: PTH100


def damaged(error: Exception) -> DataError:
    """Return the error for a file that GDAL cannot read."""
    return DataError(f"damaged or truncated: {error.__cause__ or error}", hint="repair or remove it")


def _open(opener: Any, driver: str | None, overview: int | None) -> Dataset:
    if driver is None:
        raise ValueError("it is no GeoTIFF, JPEG 2000 or VRT file")
    dataset = opener(driver=driver)
    if len(dataset.subdatasets) > 1:
        raise DataError(f"has {len(dataset.subdatasets)} pages", hint="save each as a separate file")
    if overview is None:
        return dataset
    held = len(dataset.overviews(1)) if dataset.count else 0
    dataset.close()
    if overview >= held:
        raise DataError(f"has {held} overviews, so there is no overview {overview}", hint="leave out the option")
    return opener(driver=driver, OVERVIEW_LEVEL=overview)


__all__ = ["CACHE_MB", "Dataset", "RasterioError", "damaged", "driver_of", "gdal", "open_path", "open_stream"]
