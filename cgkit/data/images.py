"""Reading and writing the pixels of 8-bit images."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from cgkit.atomic import replacing
from cgkit.data.admission import EncodedImage, ImageHeader, admitted, inspect_image
from cgkit.errors import DataError, ResourceError, UsageError

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
WRITTEN: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True}),
    ".tif": ("TIFF", {"compression": "tiff_deflate"}),
    ".tiff": ("TIFF", {"compression": "tiff_deflate"}),
    ".bmp": ("BMP", {}),
}
"""By suffix, the format that is written and how."""


def read_image(path: Path | EncodedImage, *, channels: int = 3, background: Colour = WHITE) -> Tensor:
    """Read an 8-bit image.

    The orientation that EXIF asks for is applied. Transparency is composited over `background`. Grey is repeated to
    three channels; colour becomes one channel by its luma (ITU-R 601).

    Args:
        path: a file of one of the admitted formats, or such a file's bytes.
        channels: 1 or 3.
        background: the colour behind transparent pixels, 0 to 255.

    Returns:
        float32 `(channels, H, W)` in [0, 1].

    Raises:
        DataError: the file may not be opened, or cannot be decoded.
    """
    if channels not in (1, 3):
        raise DataError(f"{path}: images are read with 1 or 3 channels, not {channels}")
    with admitted(path) as image:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return tensor_of(image, channels=channels, background=background)


def tensor_of(picture: Image.Image, *, channels: int = 3, background: Colour = WHITE) -> Tensor:
    """Return the pixels of an 8-bit picture, `(channels, H, W)` float32 in [0, 1], converted as `read_image` does."""
    pixels = np.array(_in_mode(picture, "L" if channels == 1 else "RGB", background))
    planes = torch.from_numpy(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1))
    return planes.to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def picture_of(image: Tensor) -> Image.Image:
    """Return `(1, H, W)` or `(3, H, W)` in [0, 1] as an 8-bit picture; each value goes to the nearest level."""
    levels = image.detach().float().clamp(0, 1).mul(255).round().byte().cpu().numpy()
    return Image.fromarray(levels[0] if len(levels) == 1 else np.ascontiguousarray(levels.transpose(1, 2, 0)))


def write_image(image: Tensor, path: Path) -> None:
    """Write an image, all or nothing, in the format that the suffix asks for; each value goes to the nearest level.

    Args:
        image: `(C, H, W)` in [0, 1] with 1 or 3 channels.
        path: where; a file there is replaced.

    Raises:
        DataError: the image has another number of channels.
        UsageError: the suffix is that of no format that can be written.
        ResourceError: the disk is full, or the folder cannot be written in.
    """
    if image.ndim != 3 or len(image) not in (1, 3):
        raise DataError(f"{path}: an image of shape {tuple(image.shape)} cannot be written with 8 bits a channel")
    if path.suffix.lower() not in WRITTEN:
        raise UsageError(f"{path}: cannot be written; the suffixes are {' '.join(WRITTEN)}")
    file_format, options = WRITTEN[path.suffix.lower()]
    try:
        with replacing(path) as temporary:
            picture_of(image).save(temporary, format=file_format, **options)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else error.strerror or str(error)
        raise ResourceError(f"{path}: cannot be written: {reason}") from error


def _in_mode(image: Image.Image, mode: str, background: Colour) -> Image.Image:
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        transparent = image.convert("RGBA")
        behind = Image.new("RGBA", image.size, (*background, 255))
        image = Image.alpha_composite(behind, transparent).convert("RGB")
    # From here on every conversion is one that Pillow defines exactly: 1, L, P, RGB, CMYK and YCbCr to L or RGB.
    return image if image.mode == mode else image.convert("RGB").convert(mode)


__all__ = ["WHITE", "Colour", "ImageHeader", "inspect_image", "picture_of", "read_image", "tensor_of", "write_image"]
