"""Write TIFF files: 8-bit grey and colour with Pillow, which needs no optional library; the rest with tifffile."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from cgkit.components.formats.axes import as_stored
from cgkit.components.formats.optional_libraries import library
from cgkit.components.formats.pillow import save_picture
from cgkit.components.formats.tiff_tags import EXTRA_SAMPLES, KEPT, NODATA, PHOTOMETRIC, RESOLUTION, UNIT, nodata_of
from cgkit.contracts.formats import nodata_in

_RGB = 2


def write_tiff(stream: BinaryIO, values: NDArray[Any], *, alpha: bool, tags: Mapping[int, Any]) -> None:
    """Write `(H, W, C)` values with the given tags, compressed without loss.

    Raises:
        DataError: tifffile is needed, but not installed.
    """
    channels = values.shape[-1]
    tags = _with_nodata(tags, values.dtype.name)
    if values.dtype == np.uint8 and (channels in (1, 3) or (alpha and channels in (2, 4))):
        save_picture(values, stream, "TIFF", compression="tiff_deflate", tiffinfo=_to_directory(tags))
    else:
        flat = as_stored(values)
        options = {**_layout_of(flat, tags, alpha=alpha), **_to_options(tags)}
        library("tifffile", "this kind of TIFF").imwrite(stream, flat, compression="zlib", metadata=None, **options)


def _with_nodata(tags: Mapping[int, Any], depth: str) -> Mapping[int, Any]:
    """Return the tags with the value of pixels without data that `write_values` has written."""
    nodata = nodata_of(tags.get)
    if nodata is None or nodata_in(depth, nodata) == nodata or math.isnan(nodata_in(depth, nodata)):
        return tags
    return {**tags, NODATA: f"{nodata_in(depth, nodata):.0f}"}


def _layout_of(values: NDArray[Any], tags: Mapping[int, Any], *, alpha: bool) -> dict[str, Any]:
    channels = 1 if values.ndim == 2 else values.shape[-1]
    options: dict[str, Any] = {"photometric": "rgb" if channels - alpha == 3 else "minisblack"}
    if channels > 1:
        options["planarconfig"] = "contig"
    if alpha:
        options["extrasamples"] = ["unassalpha"]
    elif tags.get(PHOTOMETRIC) == _RGB and channels == 3 + len(tags[EXTRA_SAMPLES]):
        options |= {"photometric": "rgb", "extrasamples": [int(kind) for kind in tags[EXTRA_SAMPLES]]}
    if np.issubdtype(values.dtype, np.integer):
        options["predictor"] = True  # makes files smaller; some programs cannot read it for floats
    return options


def _to_directory(tags: Mapping[int, Any]) -> ImageFileDirectory_v2:
    """Return tags as Pillow writes them."""
    directory = ImageFileDirectory_v2()
    for code, value in tags.items():
        if code in (PHOTOMETRIC, EXTRA_SAMPLES):
            continue
        if code in KEPT:
            directory.tagtype[code] = KEPT[code]
        directory[code] = value
    return directory


def _to_options(tags: Mapping[int, Any]) -> dict[str, Any]:
    """Return tags as arguments of tifffile's `imwrite`."""
    extra = [(code, KEPT[code], _count(tags[code]), tags[code], True) for code in KEPT if code in tags]
    options: dict[str, Any] = {"extratags": extra}
    if UNIT in tags:
        options |= {"resolution": tuple(tags[code] for code in RESOLUTION), "resolutionunit": tags[UNIT]}
    return options


def _count(value: Any) -> int:
    return len(value) if isinstance(value, tuple) else 1
