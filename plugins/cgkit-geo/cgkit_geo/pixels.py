"""Pixels without values: read as the low end of the range, and written back as they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.windows import Window

from cgkit.errors import DataError
from cgkit_geo.bands import Bands
from cgkit_geo.datasets import Dataset

PARTIAL = 0.1
"""The share of half transparent pixels above which an alpha band is more likely to be near infrared."""


@dataclass(frozen=True)
class Pixels:
    """The pixels of a file, or of a window of it.

    Attributes:
        values: `(H, W, bands)` as stored, without an alpha band.
        valid: which of these are values, not nodata: `(H, W, bands)`.
        alpha: the alpha band, `(H, W)`; None if there is none.
    """

    values: NDArray[Any]
    valid: NDArray[np.bool_]
    alpha: NDArray[Any] | None

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which pixels have a value in any band, `(H, W)`."""
        return np.asarray(self.valid.any(-1), bool)

    def part(self, rows: slice, columns: slice) -> Pixels:
        """Return a part of the pixels."""
        alpha = None if self.alpha is None else self.alpha[rows, columns]
        return Pixels(self.values[rows, columns], self.valid[rows, columns], alpha)

    def filled(self, fill: float | None, *, shows_alpha: bool) -> NDArray[Any]:
        """Return `(H, W, channels)` values, with a value in place of nodata.

        Args:
            fill: the value; by default the lowest one of the type, which becomes the low end of any range.
            shows_alpha: whether the alpha band is the last channel.
        """
        values = self.values
        if not self.valid.all():
            fill = _lowest(values.dtype) if fill is None else fill
            values = np.where(self.valid, values, np.asarray(fill).astype(values.dtype))
        if self.alpha is None or not shows_alpha:
            return values
        return np.concatenate([values, self.alpha[..., None]], axis=-1)


def read_pixels(dataset: Dataset, bands: Bands, window: Window | None = None) -> Pixels:
    """Read all pixels, or those of a window.

    Raises:
        DataError: the alpha band seems to be near infrared.
    """
    values = _last(dataset.read(list(bands.indexes), window=window))
    valid = np.ones(values.shape, bool)
    for channel, number in enumerate(bands.indexes):
        flags = dataset.mask_flag_enums[number - 1]
        if flags == [MaskFlags.nodata] and values.dtype.kind in "iu":  # three times as fast as GDAL
            valid[..., channel] = values[..., channel] != dataset.nodatavals[number - 1]
        elif MaskFlags.all_valid not in flags and MaskFlags.alpha not in flags:
            valid[..., channel] = dataset.read_masks(number, window=window) > 0
    if values.dtype.kind == "f":
        valid &= np.isfinite(values)
    alpha = None if bands.alpha is None else dataset.read(bands.alpha, window=window)
    if alpha is not None and not bands.shows_alpha:
        if not bands.sure:
            check_alpha(alpha, bands)
        valid &= (alpha != 0)[..., None]
    return Pixels(values, valid, alpha)


def check_alpha(alpha: NDArray[Any], bands: Bands) -> None:
    """Refuse an alpha band that looks like a picture.

    Raises:
        DataError: many of its pixels are neither transparent nor opaque.
    """
    opaque = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "iu" else 1
    if ((alpha > 0) & (alpha < opaque)).mean() > PARTIAL:
        raise DataError(
            f"has a band {bands.alpha} that is tagged as alpha, but looks like a picture, such as near infrared",
            hint='set alpha in [[format]] name = "geo": false if it is a band like the others, true if it is alpha',
        )


@dataclass(frozen=True)
class Hidden:
    """What an image shows nothing of, to be written back.

    Attributes:
        where: the pixels without values, `(H, W)`.
        stored: what the file has there, `(N, bands)`.
        alpha: the alpha band, if it is no channel of the image.
    """

    where: NDArray[np.bool_]
    stored: NDArray[Any]
    alpha: NDArray[Any] | None

    @classmethod
    def of(cls, pixels: Pixels, bands: Bands) -> Hidden:
        """Return what to write back of some pixels."""
        where = ~pixels.seen
        return cls(where, pixels.values[where], None if bands.shows_alpha else pixels.alpha)


def put_back(values: NDArray[Any], hidden: Hidden, nodata: float | None) -> NDArray[Any]:
    """Return a translation in which the pixels without values are as in the source.

    Values that equal `nodata` by chance become the next one, so that they stay valid.

    Args:
        values: the translation, `(H, W, C)`.
        hidden: what to write back. If the types and the numbers of bands are the same, it is written bit for bit.
        nodata: the value that stands for nodata in the new file; None if it has none.
    """
    values = values.copy() if nodata is None else _without(values, nodata)
    if hidden.stored.dtype == values.dtype and hidden.stored.shape[-1] == values.shape[-1]:
        values[hidden.where] = hidden.stored
    elif nodata is not None:
        values[hidden.where] = nodata
    else:
        values[hidden.where] = np.nan if values.dtype.kind == "f" else 0
    return values


def alpha_as(alpha: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an alpha band in another type: transparent stays transparent, and opaque opaque."""
    if alpha.dtype == dtype:
        return alpha
    unit = alpha.astype(np.float64) / _opaque(alpha.dtype) * _opaque(dtype)
    return (np.rint(unit) if dtype.kind in "iu" else unit).astype(dtype)


def holds_value(dtype: np.dtype[Any], value: float | None) -> bool:
    """Return whether a type can store a value exactly; float32 also stores what it was rounded from."""
    if value is None or dtype.kind == "f":
        return value is not None and (not np.isfinite(value) or bool(np.isfinite(dtype.type(value))))
    limits = np.iinfo(dtype)
    return bool(np.isfinite(value)) and float(value).is_integer() and limits.min <= value <= limits.max


def _without(values: NDArray[Any], nodata: float) -> NDArray[Any]:
    stored = values.dtype.type(nodata)
    if values.dtype.kind == "f":
        neighbour = np.nextafter(stored, values.dtype.type(0 if stored else 1))
    else:
        neighbour = stored - 1 if stored == np.iinfo(values.dtype).max else stored + 1
    return np.where(values == stored, neighbour, values).astype(values.dtype, copy=False)


def _lowest(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype).min) if dtype.kind == "f" else int(np.iinfo(dtype).min)


def _opaque(dtype: np.dtype[Any]) -> int:
    return int(np.iinfo(dtype).max) if dtype.kind in "iu" else 1


def _last(values: NDArray[Any]) -> NDArray[Any]:
    """Return values with the bands last."""
    return np.ascontiguousarray(values.transpose(1, 2, 0))
