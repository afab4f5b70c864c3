"""What a geographic file says besides its pixels, and how to say it again in another file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags

from cgkit_geo.bands import RGB, Bands
from cgkit_geo.datasets import Dataset
from cgkit_geo.pixels import holds_value

_STRUCTURE = ("IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "RPC", "COLOR_PROFILE", "GEOLOCATION")
"""Tags of the file itself, not of what it shows."""


@dataclass(frozen=True)
class Band:
    """What a file says of a band. Statistics are left out: they are not those of a translation."""

    description: str | None
    unit: str | None
    scale: float
    offset: float
    meaning: ColorInterp
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Georeference:
    """What a file says of its place on Earth and of its bands.

    Attributes:
        crs: the coordinate reference system.
        transform: from pixels to coordinates; None if the file has none.
        points: ground control points, and their own coordinate reference system.
        rpcs: rational polynomial coefficients.
        nodata: the value that stands for nodata.
        masked: whether a mask says which pixels have values.
        transparent: whether an alpha band does, which is no channel of the image.
        tags: the tags of each namespace.
        bands: those that were read.
        compression: how its pixels are compressed, if without loss; else how to compress translations.
        is_cog: whether it is a cloud-optimised GeoTIFF.
        has_overviews: whether it has overviews.
        left_out: the namespaces of tags that are not carried.
    """

    crs: Any = None
    transform: Any = None
    points: tuple[tuple[Any, ...], Any] = ((), None)
    rpcs: Any = None
    nodata: float | None = None
    masked: bool = False
    transparent: bool = False
    tags: Mapping[str | None, Mapping[str, str]] = field(default_factory=dict)
    bands: tuple[Band, ...] = ()
    compression: str = "deflate"
    is_cog: bool = False
    has_overviews: bool = False
    left_out: tuple[str, ...] = ()

    def lost(self, channels: int, dtype: np.dtype[Any]) -> list[str]:
        """Return a sentence on each thing that a translation with these channels and values cannot keep."""
        sentences = [f"its {name} metadata are not written" for name in self.left_out]
        if self.bands and channels != len(self.bands):
            sentences.append(
                f"the descriptions, units and colours of its {len(self.bands)} bands are not written,"
                f" since the translation has {channels}"
            )
        if self.nodata is not None and not holds_value(dtype, self.nodata):
            sentences.append(f"{dtype} cannot hold its nodata value {self.nodata:g}; a mask marks these pixels instead")
        return sentences

    def marking(self, dtype: np.dtype[Any]) -> Georeference:
        """Return the same with a mask, if nothing else could mark pixels without values, such as NaN, in a type."""
        is_marked = self.nodata is not None or self.transparent or dtype.kind == "f"
        return self if is_marked else replace(self, masked=True)

    def nodata_as(self, dtype: np.dtype[Any]) -> float | None:
        """Return the nodata value of a translation; None if its type cannot hold it."""
        return self.nodata if holds_value(dtype, self.nodata) else None

    def needs_mask(self, dtype: np.dtype[Any]) -> bool:
        """Return whether only a mask can say which pixels of a translation have values."""
        return self.masked or (self.nodata is not None and not holds_value(dtype, self.nodata))

    def say(self, dataset: Dataset, channels: int) -> None:
        """Write all of it to a new file, before its pixels.

        Args:
            dataset: the file, open for writing.
            channels: its bands, without an alpha band that is not a channel of the translation.
        """
        if self.crs and not self.points[0]:
            dataset.crs = self.crs
        if self.transform is not None:
            dataset.transform = self.transform
        if self.points[0]:
            dataset.gcps = (list(self.points[0]), self.points[1])
        if self.rpcs is not None:
            dataset.rpcs = self.rpcs
        for namespace, tags in self.tags.items():
            dataset.update_tags(ns=namespace, **tags)
        if channels == len(self.bands):
            self._say_of_bands(dataset)

    def _say_of_bands(self, dataset: Dataset) -> None:
        rest = dataset.count - len(self.bands)
        for number, band in enumerate(self.bands, start=1):
            if band.description:
                dataset.set_band_description(number, band.description)
            if band.unit:
                dataset.set_band_unit(number, band.unit)
            if band.tags:
                dataset.update_tags(number, **band.tags)
        if any((band.scale, band.offset) != (1, 0) for band in self.bands):
            dataset.scales = [band.scale for band in self.bands] + [1.0] * rest
            dataset.offsets = [band.offset for band in self.bands] + [0.0] * rest
        meanings = [band.meaning for band in self.bands]
        if any(meaning not in (ColorInterp.undefined, ColorInterp.gray, *RGB) for meaning in meanings):
            dataset.colorinterp = meanings + list(dataset.colorinterp[len(meanings) :])


def georeference_of(dataset: Dataset, bands: Bands) -> Georeference:
    """Return what a file says."""
    flags = [dataset.mask_flag_enums[number - 1] for number in bands.indexes]
    structure = dataset.tags(ns="IMAGE_STRUCTURE")
    compression = structure.get("COMPRESSION", "").lower()
    spaces = [name for name in dataset.tag_namespaces() if name and name not in _STRUCTURE]
    kept = [name for name in spaces if not name.startswith(("xml:", "json:"))]
    points, points_crs = dataset.gcps
    return Georeference(
        crs=dataset.crs,
        transform=None if dataset.transform.is_identity else dataset.transform,
        points=(tuple(points), points_crs),
        rpcs=dataset.rpcs,
        nodata=dataset.nodatavals[bands.indexes[0] - 1],
        masked=any(MaskFlags.per_dataset in each and MaskFlags.alpha not in each for each in flags),
        transparent=bands.alpha is not None and not bands.shows_alpha,
        tags={name: dataset.tags(ns=name) for name in (None, *kept)},
        bands=tuple(_band(dataset, number) for number in (*bands.indexes, *_shown_alpha(bands))),
        compression=compression if compression in ("deflate", "zstd", "lzw") else "deflate",
        is_cog=structure.get("LAYOUT") == "COG",
        has_overviews=bool(dataset.overviews(1)),
        left_out=tuple(name for name in spaces if name not in kept),
    )


def _shown_alpha(bands: Bands) -> tuple[int, ...]:
    return (bands.alpha,) if bands.alpha is not None and bands.shows_alpha else ()


def _band(dataset: Dataset, number: int) -> Band:
    tags = {name: text for name, text in dataset.tags(number).items() if not name.startswith("STATISTICS_")}
    meaning = dataset.colorinterp[number - 1]
    return Band(
        dataset.descriptions[number - 1],
        dataset.units[number - 1],
        dataset.scales[number - 1],
        dataset.offsets[number - 1],
        meaning,
        tags,
    )
