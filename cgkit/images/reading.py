"""Reading an image file as what the networks see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cgkit.errors import DataError
from cgkit.images.admission import admitted
from cgkit.images.header import EncodedImage, ImageHeader
from cgkit.images.pictures import header_of, values_of
from cgkit.images.pixels import PixelFormat, misfit, to_unit

COLOUR = PixelFormat()
"""Colour of 8 bits a channel."""


def read_image(path: Path | EncodedImage, pixels: PixelFormat = COLOUR) -> Tensor:
    """Read an image as one of a domain's.

    The orientation that EXIF asks for is applied, and so is a colour profile. Values outside a declared range are
    clipped.

    Args:
        path: a file of one of the admitted formats, or such a file's bytes.
        pixels: what the domain's images are like.

    Returns:
        float32 `(channels, H, W)` in [0, 1].

    Raises:
        DataError: the file may not be opened, cannot be decoded, or is none of the domain's.
    """
    return read_with_alpha(path, pixels)[0]


def read_with_alpha(path: Path | EncodedImage, pixels: PixelFormat = COLOUR) -> tuple[Tensor, Tensor | None]:
    """Read an image as `read_image` does, and its transparency: `(1, H, W)` in [0, 1], or None where it has none."""
    with admitted(path, pixels) as image:
        return to_unit(image.decode(), image.header, pixels)


@dataclass(frozen=True)
class Values:
    """An image as its file holds it: `(H, W, channels)`, and what they are; a fourth of its size as floats, or less."""

    content: NDArray[Any]
    header: ImageHeader


def read_values(path: Path | EncodedImage, pixels: PixelFormat = COLOUR) -> Values:
    """Read an image as it is, upright; for images so large that `read_with_alpha` would take too much memory.

    Raises:
        DataError: as `read_image`.
    """
    with admitted(path, pixels) as image:
        if (problem := misfit(image.header, pixels)) is not None:
            raise problem
        return Values(image.decode(), image.header)


def values_of_picture(picture: Image.Image, pixels: PixelFormat = COLOUR) -> Values:
    """Return a picture of Pillow as `read_values` returns a file."""
    header = header_of(picture)
    if header is None:
        raise DataError(f"a picture of mode {picture.mode} cannot be read", hint="give its pixels as an array")
    if (problem := misfit(header, pixels)) is not None:
        raise problem
    return Values(values_of(picture), header)


def tensor_of(picture: Image.Image, pixels: PixelFormat = COLOUR) -> tuple[Tensor, Tensor | None]:
    """Return a picture of Pillow as `read_with_alpha` returns a file.

    Raises:
        DataError: its mode is not understood, or it is none of the domain's.
    """
    values = values_of_picture(picture, pixels)
    return to_unit(values.content, values.header, pixels)


def extremes_of(path: Path, pixels: PixelFormat = COLOUR) -> tuple[float, float]:
    """Return the lowest and the highest value in a file, whatever the domain's range; nan and infinity left out.

    Raises:
        DataError: the file may not be opened, cannot be decoded, or holds no number.
    """
    with admitted(path, pixels) as image:
        values = image.decode()
        finite = values[np.isfinite(values)]
        if not finite.size:
            raise DataError("holds no number")
        return float(finite.min()), float(finite.max())
