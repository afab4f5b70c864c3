"""Read image files into the form that the networks see."""

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
from cgkit.images.pictures import picture_header, picture_values
from cgkit.images.pixels import PixelFormat, misfit, to_unit

COLOUR = PixelFormat()
"""Colour with 8 bits per channel."""


def read_image(path: Path | EncodedImage, pixels: PixelFormat = COLOUR) -> Tensor:
    """Read an image of a domain.

    The EXIF orientation and any colour profile are applied. Values outside a declared range are clipped.

    Args:
        path: A file of a supported format, or the bytes of one.
        pixels: The format of the domain.

    Returns:
        float32 `(channels, H, W)` in [0, 1].

    Raises:
        DataError: The file is not admissible, cannot be decoded, or does not fit the domain.
    """
    return read_with_alpha(path, pixels)[0]


def read_with_alpha(path: Path | EncodedImage, pixels: PixelFormat = COLOUR) -> tuple[Tensor, Tensor | None]:
    """Read an image like `read_image`, and its transparency: `(1, H, W)` in [0, 1], or None if it has none."""
    with admitted(path, pixels) as image:
        return to_unit(image.decode(), image.header, pixels)


@dataclass(frozen=True)
class Values:
    """The values of an image as its file stores them, `(H, W, channels)`: often a quarter of their size as floats."""

    content: NDArray[Any]
    header: ImageHeader


def read_values(path: Path | EncodedImage, pixels: PixelFormat = COLOUR) -> Values:
    """Read an upright image without converting its values, to save memory on large images.

    Raises:
        DataError: See `read_image`.
    """
    with admitted(path, pixels) as image:
        if (problem := misfit(image.header, pixels)) is not None:
            raise problem
        return Values(image.decode(), image.header)


def values_of_picture(picture: Image.Image, pixels: PixelFormat = COLOUR) -> Values:
    """Return the values of a Pillow picture in the form that `read_values` returns."""
    header = picture_header(picture)
    if header is None:
        raise DataError(f"a picture of mode {picture.mode} cannot be read", hint="pass its pixels as an array")
    if (problem := misfit(header, pixels)) is not None:
        raise problem
    return Values(picture_values(picture), header)


def extremes_of(path: Path, pixels: PixelFormat = COLOUR) -> tuple[float, float]:
    """Return the lowest and highest finite value in a file, whatever the range of its domain.

    Raises:
        DataError: The file is not admissible, cannot be decoded, or contains no finite number.
    """
    with admitted(path, pixels) as image:
        values = image.decode()
        finite = values[np.isfinite(values)]
        if not finite.size:
            raise DataError("contains no finite number")
        return float(finite.min()), float(finite.max())
