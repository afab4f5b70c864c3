"""TIFF with any number of bands: with Pillow if Pillow loses nothing, otherwise with tifffile."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cgkit.components.formats.colour_profiles import deep_to_srgb
from cgkit.components.formats.optional_libraries import library
from cgkit.components.formats.pictures import upright
from cgkit.components.formats.pillow import identify, open_picture
from cgkit.components.formats.tiff_exif import add_exif, exif_of_tiff
from cgkit.components.formats.tiff_tags import Carried, carried_tags, dots_per_inch, is_map, nodata_of, resolution_tags
from cgkit.components.formats.tiff_writing import write_tiff
from cgkit.contracts import ImageHeader, Layout, OpenImage, Reading
from cgkit.errors import DataError
from cgkit.packages import STACKS

MAX_PAGES = 1024
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # TIFF and BigTIFF
_SIGNED_OR_FLOAT = (2, 3)
_WHITE_IS_ZERO, _RGB, _PALETTE, _GREY = 0, 2, 3, (0, 1)
_ALPHAS = (1, 2)
_ASSOCIATED = 1  # colours are premultiplied with alpha
_COMPRESSIONS = (1, 5, 7, 8, 32773, 32946, 33003, 33005, 34712, 34887, 34925, 50000, 50001)
"""The supported compression methods: none, LZW, JPEG, deflate, PackBits, old deflate, JPEG 2000, LERC, LZMA, Zstandard
and WebP."""

_YCBCR, _RAW = 6, (32803, 34892)  # photometric interpretations; tifffile converts the first to RGB
_PROFILE = 34675  # the tag of the colour profile
_SCREEN = ("uint8", "uint16")  # the depths whose colours are converted to sRGB
_DNG_VERSION, _SUB_IMAGES, _MAKE = 50706, 330, 271

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # keep tifffile's messages off stderr


class Tiff:
    """TIFF with values of any type and any number of bands; translations keep the georeference of their sources."""

    suffixes = (".tif", ".tiff")
    metadata = "exif"

    def recognises(self, start: bytes) -> bool:
        """Return whether a file starts like a TIFF file."""
        return start.startswith(_MAGIC)

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Read the header of a file, whose pages are the bands of one image if `reading` says so.

        Raises:
            DataError: The file has several pages although `reading.pages` is false, is of an unsupported kind, or needs
                a library (tifffile or imagecodecs) that is not installed.
        """
        picture = None if reading.pages else _open_with_pillow(stream, reading)
        stream.seek(0)
        if picture is not None:
            opened = open_picture(picture)
            tags = picture.tag_v2  # type: ignore[attr-defined]
            # Read now: once the pixels are decoded, Pillow has removed the orientation.
            carried = carried_tags(tags.get)
            header = replace(opened.header, nodata=nodata_of(tags.get))
            return OpenImage(header, opened.decode, lambda: _carry(carried, stream))
        return _open_with_tifffile(stream, reading)

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return true: TIFF can store every image."""
        return True

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        """Write an image, compressed without loss."""
        carry = carry or {}
        tags = carry.get("tiffinfo") or resolution_tags(carry.get("dpi"))
        write_tiff(stream, values, alpha=alpha, tags={**tags, **carry.get("georeference", {})})
        if exif := carry.get("exif"):
            add_exif(stream, exif)


def _carry(tags: Carried, stream: BinaryIO) -> dict[str, Any]:
    """Return what a file says besides its pixels, as arguments of Pillow's `save`, and its georeference."""
    said = {"tiffinfo": tags.resolution, "georeference": tags.georeference}
    return {**said, **dots_per_inch(tags.resolution), **exif_of_tiff(stream)}


def _open_with_pillow(stream: BinaryIO, reading: Reading) -> Image.Image | None:
    """Open a file with Pillow if it reads the file without loss; otherwise return None.

    Pillow misreads signed values as unsigned, and may omit bands.
    """
    try:
        picture = identify(stream, "TIFF")
        return picture if _keeps_everything(picture, reading) else None
    except (DataError, MemoryError, Image.DecompressionBombError):
        raise
    except Exception:  # noqa: BLE001 - Pillow does not document what it raises for files that it cannot read
        return None


def _keeps_everything(picture: Image.Image, reading: Reading) -> bool:
    tags = picture.tag_v2  # type: ignore[attr-defined]
    bits, formats = (_to_tuple(tags.get(tag, default)) for tag, default in ((258, (1,)), (339, (1,))))
    bands = len(picture.getbands())
    return (
        max(bits) <= 8
        and not any(number in _SIGNED_OR_FLOAT for number in formats)
        and int(tags.get(277, 1)) == bands
        and _has_one_page(picture)
        and not any(_is_raw(tags.get(262), tags.get(code)) for code in (_DNG_VERSION, _SUB_IMAGES))
        and not (338 in tags and is_map(tags.get) and reading.alpha_of != bands)
    )


def _has_one_page(picture: Image.Image) -> bool:
    """Return whether a file has no second page; counting all of a hundred thousand would take a minute."""
    try:
        picture.seek(1)
    except EOFError:
        return True
    return False


def _is_raw(photometric: Any, other: Any) -> bool:
    """Return whether a picture belongs to a raw photograph, by its photometric interpretation and another tag."""
    return photometric in _RAW or other is not None


def _open_with_tifffile(stream: BinaryIO, reading: Reading) -> OpenImage:
    tifffile = library("tifffile", "this kind of TIFF")
    library("imagecodecs", "this kind of TIFF")
    length = stream.seek(0, 2)
    stream.seek(0)
    every_page = tifffile.TiffFile(stream).pages
    first = every_page.first.tags
    if _DNG_VERSION in first or int(every_page.first.photometric) in _RAW or (_SUB_IMAGES in first and _MAKE in first):
        raise DataError("is a raw photograph, and would be read as its preview", hint="develop it to TIFF or PNG first")
    bands = [page for page in islice(every_page, MAX_PAGES + 1) if not _is_auxiliary(page)]
    _check_pages(bands, pages=reading.pages, length=length)
    header = _make_header(bands, reading)
    read = bands[0].tags.valueof
    return OpenImage(header, partial(_decode, bands, header), lambda: _carry(carried_tags(read), stream))


def _is_auxiliary(page: Any) -> bool:
    """Return whether a page is a reduced copy of another page, or a mask."""
    return bool(page.is_reduced or page.is_mask)


def _check_pages(bands: Sequence[Any], *, pages: bool, length: int) -> None:
    if not bands:
        raise DataError("contains no image")
    if len(bands) > MAX_PAGES:
        raise DataError(f"has more than {MAX_PAGES} pages")
    first = bands[0]
    if len(bands) > 1 and not pages:
        bands_hint = 'if they are the bands of one image, set data.pages = "bands"'
        hint = f"{bands_hint}; if they are planes of a microscope, install {STACKS}; else save each as an image"
        raise DataError(f"has {len(bands)} pages", hint=hint)
    for page in bands:
        if (page.shape, page.dtype) != (first.shape, first.dtype):
            raise DataError("has pages of different sizes or depths")
        if len(bands) > 1 and page.axes != "YX":
            raise DataError("has several pages, which also have several bands each")
        _check_page(page, length)


def _check_page(page: Any, length: int) -> None:
    if page.axes not in ("YX", "YXS", "SYX") or page.dtype is None or page.dtype.kind not in "biuf":
        raise DataError(f"has axes {page.axes} and type {page.dtype}, which are not those of an image")
    if page.bitspersample not in (1, 8, 16, 32, 64) or int(page.photometric) == _PALETTE:
        kind = "a palette" if int(page.photometric) == _PALETTE else f"{page.bitspersample} bits per channel"
        raise DataError(f"has {kind}, which is not supported", hint="save it with 16 bits per channel")
    if int(page.compression) not in _COMPRESSIONS:
        name = getattr(page.compression, "name", page.compression)
        raise DataError(f"is compressed with {name}, which is not read", hint="save it with deflate or LZW")
    # Without this check, tifffile would fill missing data with zeros.
    ends = (start + size for start, size in zip(page.dataoffsets, page.databytecounts, strict=False))
    if not page.dataoffsets or max(ends) > length or min(page.databytecounts) == 0:
        raise ValueError("some of its data is missing")


def _make_header(bands: Sequence[Any], reading: Reading) -> ImageHeader:
    page = bands[0]
    height, width = int(page.imagelength), int(page.imagewidth)
    if _read_orientation(page) in (5, 6, 7, 8):
        height, width = width, height
    channels = len(bands) if len(bands) > 1 else int(page.samplesperpixel)
    alpha = any(int(kind) in _ALPHAS for kind in page.extrasamples) and channels in (2, 4)
    # GDAL tags any fourth band as alpha, even near infrared.
    alpha = alpha and (not is_map(page.tags.valueof) or reading.alpha_of == channels)
    layout: Layout = "bands"
    if int(page.photometric) in (_RGB, _YCBCR) and channels - alpha == 3:
        layout = "colour"
    elif int(page.photometric) in _GREY and channels - alpha == 1:
        layout = "grey"
    alpha = alpha and layout != "bands"
    nodata = nodata_of(page.tags.valueof)
    return ImageHeader(width, height, channels, "TIFF", page.dtype.name, layout, alpha, nodata)


def _decode(bands: Sequence[Any], header: ImageHeader) -> NDArray[Any]:
    parts = [_to_channels_last(page, page.asarray(maxworkers=1)) for page in bands]
    values = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
    if _ASSOCIATED in map(int, bands[0].extrasamples) and values.shape[-1] in (2, 4):
        values = _divide_by_alpha(values)
    values = upright(values.astype(values.dtype.newbyteorder("="), copy=False), _read_orientation(bands[0]))
    profile = bands[0].tags.valueof(_PROFILE)
    return values if header.layout == "bands" or header.depth not in _SCREEN else deep_to_srgb(values, profile)


def _divide_by_alpha(values: NDArray[Any]) -> NDArray[Any]:
    """Return values whose colours are not premultiplied with alpha; they are 0 where alpha is."""
    alpha = values[..., -1:].astype(np.float64)
    highest = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 1.0
    colours = np.divide(values[..., :-1] * float(highest), alpha, out=np.zeros(values[..., :-1].shape), where=alpha > 0)
    colours = colours.clip(0, highest)
    colours = np.rint(colours) if values.dtype.kind in "iu" else colours
    return np.concatenate([colours.astype(values.dtype), values[..., -1:]], axis=-1)


def _to_channels_last(page: Any, values: NDArray[Any]) -> NDArray[Any]:
    if page.axes == "SYX":
        values = values.transpose(1, 2, 0)
    values = values.reshape(page.imagelength, page.imagewidth, -1)
    if int(page.photometric) == _WHITE_IS_ZERO and values.dtype.kind in "bu":
        values = ~values
    return values


def _read_orientation(page: Any) -> int | None:
    tag = page.tags.get(274)
    return None if tag is None else int(tag.value)


def _to_tuple(value: Any) -> tuple[int, ...]:
    return tuple(map(int, value)) if isinstance(value, tuple) else (int(value),)
