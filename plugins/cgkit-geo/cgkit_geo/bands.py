"""Which bands of a file are read, and what they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rasterio.enums import ColorInterp

from cgkit.contracts import ImageHeader, Layout
from cgkit.errors import DataError
from cgkit_geo.datasets import Dataset

RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
_INFRARED = re.compile(r"\b(nir|infrared|ir)\b|near.?ir", re.IGNORECASE)
_REAL = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


@dataclass(frozen=True)
class Choice:
    """The options of the formats; see `cgkit_geo.formats.Geo`."""

    bands: tuple[int, ...] | None = None
    alpha: bool | None = None
    overview: int | None = None
    fill: float | None = None


@dataclass(frozen=True)
class Bands:
    """The bands to read.

    Attributes:
        indexes: the numbers of the bands, from 1, without an alpha band.
        alpha: the number of the band that says which pixels are transparent; None if there is none.
        shows_alpha: whether the alpha band is the last channel; if not, it only says which pixels have values.
        sure: whether the options say that the alpha band is one.
        depth: the type of the values.
        layout: what the bands mean.
    """

    indexes: tuple[int, ...]
    alpha: int | None
    shows_alpha: bool
    sure: bool
    depth: str
    layout: Layout

    @property
    def channels(self) -> int:
        """The number of channels of an image."""
        return len(self.indexes) + self.shows_alpha

    def header(self, dataset: Dataset) -> ImageHeader:
        """Return the header of an image with these bands."""
        size = dataset.width, dataset.height
        return ImageHeader(*size, self.channels, dataset.driver, self.depth, self.layout, self.shows_alpha)


def choose_bands(dataset: Dataset, choice: Choice, alpha_of: int | None) -> Bands:
    """Decide by the options and by the colour interpretation which bands to read.

    Args:
        dataset: the open file.
        choice: the options of the format.
        alpha_of: the number of channels of images whose last channel is alpha; None if none is.

    Raises:
        DataError: a band does not exist, has a palette or complex values, or bands have different types.
    """
    alpha = _find_alpha(dataset, choice)
    indexes = choice.bands or tuple(number for number in dataset.indexes if number != alpha)
    if missing := [number for number in indexes if number not in dataset.indexes]:
        raise DataError(f"has {dataset.count} bands, so there is no band {missing[0]}", hint="set bands of the format")
    if not indexes:
        raise DataError("has only an alpha band", hint="set alpha = false for the format if it is an image")
    kinds = {dataset.dtypes[number - 1] for number in (*indexes, *([alpha] if alpha else []))}
    if len(kinds) > 1:
        raise DataError(f"has bands of different types ({', '.join(sorted(kinds))})", hint="choose bands of one type")
    (depth,) = kinds
    if depth not in _REAL:
        raise DataError(f"has {depth} values, which are no brightness", hint="save their magnitude")
    meanings = [dataset.colorinterp[number - 1] for number in indexes]
    if ColorInterp.palette in meanings:
        raise DataError("has a palette", hint="expand it: gdal_translate -expand rgb")
    shows = alpha is not None and alpha_of is not None and len(indexes) + 1 == alpha_of
    return Bands(indexes, alpha, shows, choice.alpha is True, depth, _layout_of(meanings))


def _find_alpha(dataset: Dataset, choice: Choice) -> int | None:
    """Return the number of the alpha band; a band that is called near infrared, or that is chosen, is none."""
    if choice.alpha is False:
        return None
    tagged = [number for number in dataset.indexes if dataset.colorinterp[number - 1] == ColorInterp.alpha]
    tagged = [number for number in tagged if number not in (choice.bands or ())]
    if choice.alpha is None:
        tagged = [number for number in tagged if not _INFRARED.search(dataset.descriptions[number - 1] or "")]
    return tagged[-1] if tagged else None


def _layout_of(meanings: list[ColorInterp]) -> Layout:
    if tuple(meanings) == RGB:
        return "colour"
    return "grey" if len(meanings) == 1 else "bands"
