"""TIFF of any depth and any number of bands: through Pillow where it keeps everything, else through tifffile."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cgkit.errors import DataError
from cgkit.images.header import EncodedImage, ImageHeader, Layout, OpenImage, stream_of
from cgkit.images.optional_libraries import damage_explained, library
from cgkit.images.pictures import identified, open_picture, upright

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""What TIFF and BigTIFF files begin with."""

MOST_PAGES = 1024
_SIGNED_OR_FLOAT = (2, 3)
_WHITE_IS_ZERO, _RGB, _PALETTE, _GREY = 0, 2, 3, (0, 1)
_ALPHAS = (1, 2)
_COMPRESSIONS = (1, 5, 8, 32773, 32946, 34925, 50000)
"""None, LZW, deflate, PackBits, deflate as it was first numbered, LZMA and Zstandard: those that lose nothing."""

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what is odd about a file is an error here, or nothing


@contextmanager
def open_tiff(file: Path | EncodedImage, *, pages: bool) -> Iterator[OpenImage]:
    """Yield a TIFF file, its pixels not yet decoded.

    Args:
        file: the file.
        pages: whether its pages are the bands of one image.

    Raises:
        DataError: it has several pages that are none, or holds what cannot be read; or tifffile is needed, and missing.
    """
    if not pages and _is_a_plain_picture(file):
        with open_picture(file) as opened:
            yield opened
        return
    tifffile = library("tifffile", "this kind of TIFF")
    library("imagecodecs", "this kind of TIFF")
    with stream_of(file) as stream:
        length = stream.seek(0, 2)
        stream.seek(0)
        pages_in_it = tifffile.TiffFile(stream).pages
        found = [page for page in islice(pages_in_it, MOST_PAGES + 1) if not _is_an_extra(page)]
        _check_pages(found, pages=pages, length=length)
        yield OpenImage(_header(found), partial(_decoded, found))


def _is_a_plain_picture(file: Path | EncodedImage) -> bool:
    """Return whether Pillow keeps every bit and band: it reads signed values as unsigned, and leaves bands out."""
    try:
        with damage_explained(), stream_of(file) as stream, identified(stream) as picture:
            return _keeps_everything(picture)
    except (DataError, OSError, ValueError):
        return False


def _keeps_everything(picture: Image.Image) -> bool:
    tags = picture.tag_v2  # type: ignore[attr-defined]
    bits, formats = (_several(tags.get(tag, default)) for tag, default in ((258, (1,)), (339, (1,))))
    bands = len(picture.getbands())
    return (
        max(bits) <= 8
        and not any(number in _SIGNED_OR_FLOAT for number in formats)
        and int(tags.get(277, 1)) == bands
        and getattr(picture, "n_frames", 1) == 1
    )


def _is_an_extra(page: Any) -> bool:
    """Return whether a page is a smaller copy of another, or a mask of one."""
    return bool(page.is_reduced or page.is_mask)


def _check_pages(found: Sequence[Any], *, pages: bool, length: int) -> None:
    if not found:
        raise DataError("holds no image")
    if len(found) > MOST_PAGES:
        raise DataError(f"has more than {MOST_PAGES} pages")
    first = found[0]
    if len(found) > 1 and not pages:
        hint = 'save each as an image; or, where they are bands of one, set data.pages = "bands"'
        raise DataError(f"has {len(found)} pages", hint=hint)
    for page in found:
        if (page.shape, page.dtype) != (first.shape, first.dtype):
            raise DataError("has pages of several sizes or depths")
        if len(found) > 1 and page.axes != "YX":
            raise DataError("has pages of several bands each")
        if page.axes not in ("YX", "YXS", "SYX") or page.dtype is None or page.dtype.kind not in "biuf":
            raise DataError(f"holds no image of grey, colour or bands, but {page.axes} of {page.dtype}")
        if page.bitspersample not in (1, 8, 16, 32, 64) or int(page.photometric) == _PALETTE:
            kind = "a palette" if int(page.photometric) == _PALETTE else f"{page.bitspersample} bits a channel"
            raise DataError(f"has {kind}, which is not read", hint="save it with 16 bits a channel")
        if int(page.compression) not in _COMPRESSIONS:
            name = getattr(page.compression, "name", page.compression)
            raise DataError(f"is compressed by {name}, which is not read", hint="save it with another compression")
        # tifffile fills what is missing with zeros.
        ends = (start + size for start, size in zip(page.dataoffsets, page.databytecounts, strict=False))
        if not page.dataoffsets or max(ends) > length or min(page.databytecounts) == 0:
            raise DataError("damaged or cut short: some of its data is missing", hint="mend or remove it")


def _header(found: Sequence[Any]) -> ImageHeader:
    page = found[0]
    height, width = int(page.imagelength), int(page.imagewidth)
    if _orientation(page) in (5, 6, 7, 8):
        height, width = width, height
    channels = len(found) if len(found) > 1 else int(page.samplesperpixel)
    alpha = any(int(kind) in _ALPHAS for kind in page.extrasamples) and channels in (2, 4)
    layout: Layout = "bands"
    if int(page.photometric) == _RGB and channels - alpha == 3:
        layout = "colour"
    elif int(page.photometric) in _GREY and channels - alpha == 1:
        layout = "grey"
    return ImageHeader(width, height, channels, "TIFF", page.dtype.name, layout, alpha and layout != "bands")


def _decoded(found: Sequence[Any]) -> NDArray[Any]:
    bands = [_band_last(page, page.asarray(maxworkers=1)) for page in found]
    values = bands[0] if len(bands) == 1 else np.concatenate(bands, axis=-1)
    return upright(values.astype(values.dtype.newbyteorder("="), copy=False), _orientation(found[0]))


def _band_last(page: Any, values: NDArray[Any]) -> NDArray[Any]:
    if page.axes == "SYX":
        values = values.transpose(1, 2, 0)
    values = values.reshape(page.imagelength, page.imagewidth, -1)
    if int(page.photometric) == _WHITE_IS_ZERO and values.dtype.kind in "bu":
        values = ~values
    return values


def _orientation(page: Any) -> int | None:
    tag = page.tags.get(274)
    return None if tag is None else int(tag.value)


def _several(value: Any) -> tuple[int, ...]:
    return tuple(map(int, value)) if isinstance(value, tuple) else (int(value),)
