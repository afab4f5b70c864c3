"""Write GeoTIFFs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Resampling
from rasterio.windows import Window

from cgkit_geo.bands import RGB
from cgkit_geo.datasets import Dataset, gdal
from cgkit_geo.georeference import Georeference
from cgkit_geo.pixels import Hidden, alpha_as, put_back

BLOCK = 512
"""The side of a tile, in pixels."""

SMALLEST = 256
"""The smallest overview has at most this many pixels a side, as in GDAL's own."""


class Writer:
    """Writes the windows of a translation.

    Args:
        dataset: the file, open for writing.
        georeference: what the source says.
        channels: the channels of the translation.
        dtype: its type.
    """

    def __init__(self, dataset: Dataset, georeference: Georeference, channels: int, dtype: np.dtype[Any]) -> None:
        self._dataset = dataset
        self._channels = channels
        self._nodata = georeference.nodata_as(dtype)
        self._masked = georeference.needs_mask(dtype)

    def write(self, values: NDArray[Any], hidden: Hidden | None, window: Window | None = None) -> None:
        """Write values `(h, w, channels)`, in which the pixels without values become as in the source."""
        if hidden is not None:
            values = put_back(values, hidden, self._nodata)
        self._dataset.write(values.transpose(2, 0, 1), list(range(1, self._channels + 1)), window=window)
        if hidden is not None and self._dataset.count > self._channels and hidden.alpha is not None:
            self._dataset.write(alpha_as(hidden.alpha, values.dtype), self._dataset.count, window=window)
        if self._masked:
            valid = np.ones(values.shape[:2], bool) if hidden is None else ~hidden.where
            self._dataset.write_mask(valid, window=window)


@contextmanager
def writing(
    path: str, size: tuple[int, int], channels: int, depth: str, georeference: Georeference, *, alpha: bool
) -> Iterator[Writer]:
    """Create a GeoTIFF, write its windows during a `with` block, and then its overviews.

    Args:
        path: the file.
        size: its height and width.
        channels: the number of channels of the translation.
        depth: the type of its values.
        georeference: what the source says.
        alpha: whether the last channel is an alpha channel.
    """
    transparent = georeference.transparent and not alpha
    count = channels + transparent
    colours = _is_colour(georeference, channels - alpha, channels)
    large = max(size) > BLOCK
    dtype = np.dtype(depth)
    options = {
        "driver": "GTiff",
        "dtype": depth,
        "count": count,
        "height": size[0],
        "width": size[1],
        "nodata": georeference.nodata_as(dtype),
        "compress": georeference.compression,
        "predictor": 3 if dtype.kind == "f" else 2,
        "bigtiff": "IF_SAFER",
        "interleave": "pixel" if count <= 4 else "band",
        "photometric": "RGB" if colours else "MINISBLACK",
        "alpha": "YES" if (alpha or transparent) and count - 1 == (3 if colours else 1) else "UNSPECIFIED",
        **({"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK} if large else {}),
    }
    cog = georeference.is_cog
    first = f"{path}.part.tif" if cog else path
    with gdal(GDAL_PAM_ENABLED="NO"):
        try:
            with rasterio.open(first, "w", **options) as dataset:
                if (alpha or transparent) and options["alpha"] != "YES":
                    dataset.colorinterp = [*dataset.colorinterp[:-1], ColorInterp.alpha]
                georeference.say(dataset, channels)
                yield Writer(dataset, georeference, channels, dtype)
            if large or georeference.has_overviews:
                _add_overviews(first, size)
            if cog:
                kept = {"compress": georeference.compression, "predictor": "YES", "bigtiff": "IF_SAFER"}
                rasterio.shutil.copy(first, path, driver="COG", overview_resampling="AVERAGE", **kept)
        finally:
            if cog and rasterio.shutil.exists(first):
                rasterio.shutil.delete(first)


def _is_colour(georeference: Georeference, colours: int, channels: int) -> bool:
    """Return whether the first three bands are red, green and blue: as in the source, if it has as many bands."""
    if channels != len(georeference.bands):
        return colours == 3
    meanings = [band.meaning for band in georeference.bands]
    # GDAL only writes other meanings, such as near infrared, if the file does not claim to be RGB.
    others = set(meanings) - {*RGB, ColorInterp.undefined, ColorInterp.alpha}
    return tuple(meanings[:3]) == RGB and not others


def _add_overviews(path: str, size: tuple[int, int]) -> None:
    factors: list[int] = []
    while max(size) / 2 ** len(factors) > SMALLEST:
        factors.append(2 ** (len(factors) + 1))
    if factors:
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews(factors, Resampling.average)


__all__ = ["BLOCK", "Writer", "writing"]
