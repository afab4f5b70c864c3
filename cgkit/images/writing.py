"""Write translations as image files, in the depth and range of their domain."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cgkit.errors import DataError, ResourceError, UsageError
from cgkit.files.atomic import replacing
from cgkit.images.optional_libraries import library
from cgkit.images.pixels import PixelFormat, to_values, with_alpha
from cgkit.images.reading import COLOUR


@dataclass(frozen=True)
class FileFormat:
    """An image format that can be written.

    Attributes:
        name: The name of the format, as Pillow spells it if Pillow writes the format.
        depths: The types of values that the format can store; empty if it can store every type.
        bands: Whether the format can store any number of channels, rather than only grey and colour.
        alpha: Whether the format can store an alpha channel.
        options: Arguments for Pillow's `save`.
    """

    name: str
    depths: tuple[str, ...] = ()
    bands: bool = True
    alpha: bool = True
    options: dict[str, Any] = field(default_factory=dict)

    def holds(self, pixels: PixelFormat) -> bool:
        """Return whether the format can store the images of a domain."""
        return (
            (not self.depths or pixels.depth in self.depths)
            and (self.bands or pixels.colours in (1, 3))
            and (self.alpha or not pixels.has_alpha)
        )


_PNG = FileFormat("PNG", ("uint8", "uint16"), bands=False)
_JPEG = FileFormat("JPEG", ("uint8",), bands=False, alpha=False, options={"quality": 95, "subsampling": 0})
_TIFF = FileFormat("TIFF", options={"compression": "tiff_deflate"})
WRITTEN = {
    ".png": _PNG,
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": FileFormat("WEBP", ("uint8",), bands=False, options={"lossless": True}),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".bmp": FileFormat("BMP", ("uint8",), bands=False, alpha=False),
    ".npy": FileFormat("NPY"),
    ".npz": FileFormat("NPZ"),
}
"""The formats that can be written, by suffix."""


def suffix_for(suffix: str, pixels: PixelFormat) -> str:
    """Return `suffix` if its format can store the images of a domain or is unknown; otherwise `.png` or `.tif`.

    PNG is preferred, since most programs can read it; TIFF can store all images.
    """
    file_format = WRITTEN.get(suffix.lower())
    if file_format is None or file_format.holds(pixels):
        return suffix
    return ".png" if _PNG.holds(pixels) else ".tif"


def check_format(suffix: str, pixels: PixelFormat) -> None:
    """Raise a `UsageError` if a suffix is not supported, or if its format cannot store the images of a domain."""
    file_format = WRITTEN.get(suffix.lower())
    if file_format is None:
        raise UsageError(f"the suffix {suffix!r} is not supported; use one of {' '.join(WRITTEN)}")
    if not file_format.holds(pixels):
        channels = f"{pixels.colours} channel{'s' * (pixels.colours > 1)} of {pixels.depth}"
        transparency = " and an alpha channel" if pixels.has_alpha else ""
        names = ["png"] if _PNG.holds(pixels) else []
        hint = f"write {', '.join([*names, 'tiff'])} or npy"
        raise UsageError(f"{file_format.name} cannot store {channels}{transparency}", hint=hint)


def write_image(image: Tensor, path: Path, pixels: PixelFormat = COLOUR, *, alpha: Tensor | None = None) -> None:
    """Write an image, all or nothing, in the format that the suffix names.

    For integer depths, values are rounded to the nearest integer.

    Args:
        image: The image, `(C, H, W)` in [0, 1].
        path: The file to write; an existing file is replaced.
        pixels: The pixel format of the domain.
        alpha: An alpha channel to append, `(1, H, W)` in [0, 1]; ignored unless the image is grey or colour.

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
    write_values(to_values(image, pixels), path, pixels)


def write_values(values: NDArray[Any], path: Path, pixels: PixelFormat) -> None:
    """Write `(H, W, C)` values from `to_values` to an image file, as `write_image` does.

    Raises:
        DataError: A library for the format is not installed.
        UsageError: The suffix is not supported, or its format cannot store the image.
        ResourceError: The file cannot be written, for example because the disk is full.
    """
    try:
        check_format(path.suffix, pixels)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from None
    file_format = WRITTEN[path.suffix.lower()]
    try:
        with replacing(path) as temporary:
            _save(values, temporary, file_format, transparent=pixels.has_alpha)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else error.strerror or str(error)
        raise ResourceError(f"{path}: cannot be written: {reason}") from error


def _save(values: NDArray[Any], file: Path, file_format: FileFormat, *, transparent: bool) -> None:
    """Write `(H, W, C)` values in `file_format`, which must be able to store them; the suffix of `file` is ignored."""
    channels = values.shape[-1]
    flat = np.ascontiguousarray(values[..., 0] if channels == 1 else values)
    if file_format.name in ("NPY", "NPZ"):
        with file.open("wb") as stream:
            np.save(stream, flat) if file_format.name == "NPY" else np.savez_compressed(stream, image=flat)
    elif values.dtype == np.uint8 and (channels in (1, 3) or (transparent and channels in (2, 4))):
        Image.fromarray(flat).save(file, format=file_format.name, **file_format.options)
    elif file_format.name == "PNG" and channels == 1:
        Image.fromarray(flat).save(file, format="PNG")
    elif file_format.name == "PNG":
        file.write_bytes(library("imagecodecs", "16-bit colour in PNG").png_encode(flat))
    else:
        _save_tiff(flat, file, transparent=transparent)


def _save_tiff(values: NDArray[Any], file: Path, *, transparent: bool) -> None:
    tifffile = library("tifffile", "this kind of TIFF")
    channels = 1 if values.ndim == 2 else values.shape[-1]
    colours = channels - transparent
    options: dict[str, Any] = {"photometric": "rgb" if colours == 3 else "minisblack", "metadata": None}
    if channels > 1:
        options["planarconfig"] = "contig"
    if transparent:
        options["extrasamples"] = ["unassalpha"]
    if np.issubdtype(values.dtype, np.integer):
        options["predictor"] = True  # makes files smaller; some programs cannot read it for floats
    tifffile.imwrite(file, values, compression="zlib", **options)
