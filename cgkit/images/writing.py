"""Write translations as image files, in the depth and range of their domain."""

from __future__ import annotations

import errno
import math
import warnings
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from cgkit.contracts.formats import nodata_in
from cgkit.errors import CgkitError, CgkitWarning, DataError, ResourceError, UsageError
from cgkit.files.atomic import replacing
from cgkit.images.formats import Carry, Formats, NamedFormat, built_in
from cgkit.images.pixels import Mask, PixelFormat, put_back, to_values, with_alpha
from cgkit.images.reading import COLOUR

Missing = tuple[Mask, float]
"""Which pixels of an image have no data, `(H, W, 1)`, and the value for them in its file."""


def suffix_for(suffix: str, pixels: PixelFormat, formats: Formats | None = None) -> str:
    """Return `suffix` if its format can store the images of a domain or is unknown; otherwise `.png` or `.tif`.

    PNG is preferred, since most programs can read it; TIFF can store all images.
    """
    formats = formats or built_in()
    named = formats.of_suffix(suffix)
    if named is None or _holds(named, pixels):
        return suffix
    return ".png" if _png_holds(pixels, formats) else ".tif"


def check_format(suffix: str, pixels: PixelFormat, formats: Formats | None = None) -> NamedFormat:
    """Return the format with a suffix.

    Raises:
        UsageError: the suffix is not supported, or its format cannot store the images of a domain.
    """
    formats = formats or built_in()
    named = formats.of_suffix(suffix)
    if named is None:
        raise UsageError(f"the suffix {suffix!r} is not supported; use one of {' '.join(formats.suffixes)}")
    if not _holds(named, pixels):
        channels = f"{pixels.colours} channel{'s' * (pixels.colours > 1)} of {pixels.depth}"
        transparency = " and an alpha channel" if pixels.has_alpha else ""
        names = ["png"] if _png_holds(pixels, formats) else []
        hint = f"write {', '.join([*names, 'tiff'])} or npy"
        raise UsageError(f"{named.title} cannot store {channels}{transparency}", hint=hint)
    return named


def write_image(
    image: Tensor,
    path: Path,
    pixels: PixelFormat = COLOUR,
    *,
    alpha: Tensor | None = None,
    carry: Carry | None = None,
    missing: Missing | None = None,
    formats: Formats | None = None,
) -> None:
    """Write an image, all or nothing, in the format that the suffix names.

    For integer depths, values are rounded to the nearest integer.

    Args:
        image: The image, `(C, H, W)` in [0, 1].
        path: The file to write; an existing file is replaced.
        pixels: The pixel format of the domain.
        alpha: An alpha channel to append, `(1, H, W)` in [0, 1]; ignored unless the image is grey or colour.
        carry: What else the source image's file says; ignored unless the image's format understands it.
        missing: Which pixels have no data, and the value for them in the source image's file.
        formats: The available formats; by default those that ship with cgkit.

    Raises:
        DataError: The image does not have the domain's number of channels, or a library for the format is not
            installed.
        UsageError: The suffix is not supported, or its format cannot store the image.
        ResourceError: The file cannot be written, for example because the disk is full.
    """
    if image.ndim != 3 or len(image) != pixels.channels:
        shape = tuple(image.shape)
        raise DataError(f"{path}: an image of shape {shape} does not have the {pixels.channels} channels of its domain")
    image, pixels = with_alpha(image, alpha, pixels)
    write_values(to_values(image, pixels), path, pixels, carry=carry, missing=missing, formats=formats)


def write_values(
    values: NDArray[Any],
    path: Path,
    pixels: PixelFormat,
    *,
    carry: Carry | None = None,
    missing: Missing | None = None,
    formats: Formats | None = None,
) -> None:
    """Write `(H, W, C)` values from `to_values` to an image file, as `write_image` does.

    Raises:
        DataError: The format cannot write the image, or a library for it is not installed.
        UsageError: The suffix is not supported, or its format cannot store the image.
        ResourceError: The file cannot be written, for example because the disk is full.
    """
    try:
        named = check_format(path.suffix, pixels, formats)
        content = carry.content if carry is not None and carry.format == named.key else None
        if missing is not None:
            values = _put_missing_back(values, missing, path, marked=content is not None)
        with replacing(path) as temporary, temporary.open("w+b") as stream:
            named.format.write(stream, values, alpha=pixels.has_alpha, carry=content)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from None
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else error.strerror or str(error)
        raise ResourceError(f"{path}: cannot be written: {reason}") from error
    except (CgkitError, MemoryError):
        raise
    except Exception as error:  # formats do not document what they raise for values that they cannot write
        raise DataError(f"{path}: cannot be written as {named.title}: {type(error).__name__}: {error}") from error


def _put_missing_back(values: NDArray[Any], missing: Missing, path: Path, *, marked: bool) -> NDArray[Any]:
    """Return values with pixels without data, if the file can mark these: with a tag, or with NaN."""
    pixels, nodata = missing
    value = nodata_in(values.dtype.name, nodata) if marked and not math.isnan(nodata) else math.nan
    if math.isnan(value) and values.dtype.kind != "f":
        what = f"its pixels without data are translated like the others, since {path.suffix} cannot mark them"
        warnings.warn(f"{path}: {what}", CgkitWarning, stacklevel=2)
        return values
    return put_back(values, pixels, value)


def _holds(named: NamedFormat, pixels: PixelFormat) -> bool:
    return named.format.holds(pixels.channels, pixels.depth, pixels.has_alpha)


def _png_holds(pixels: PixelFormat, formats: Formats) -> bool:
    png = formats.of_suffix(".png")
    return png is not None and _holds(png, pixels)
