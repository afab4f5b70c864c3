"""Read image files as tensors in [0, 1], or as their stored values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cgkit.components.formats.pictures import picture_header, picture_values
from cgkit.contracts import ImageHeader
from cgkit.errors import DataError
from cgkit.images.admission import admitted
from cgkit.images.encoded import EncodedImage
from cgkit.images.formats import Carry, Formats
from cgkit.images.pixels import PixelFormat, misfit, missing_in, to_unit, to_unit_without

COLOUR = PixelFormat()
"""The default pixel format: three colour channels with 8 bits each."""


def read_image(path: Path | EncodedImage, pixels: PixelFormat = COLOUR, formats: Formats | None = None) -> Tensor:
    """Read an image of a domain.

    The EXIF orientation and any colour profile are applied. Values outside a declared range are clipped.

    Args:
        path: An image file in a supported format, or its bytes.
        pixels: The pixel format of the domain.
        formats: The available formats; by default those that ship with cgkit.

    Returns:
        The image, float32 `(channels, H, W)` in [0, 1].

    Raises:
        DataError: The file fails a check of `cgkit.images.admission`, cannot be decoded, or does not fit the domain.
    """
    return read_with_alpha(path, pixels, formats)[0]


def read_with_alpha(
    path: Path | EncodedImage, pixels: PixelFormat = COLOUR, formats: Formats | None = None
) -> tuple[Tensor, Tensor | None]:
    """Read an image as `read_image` does, and return the image and its alpha channel (see `to_unit`)."""
    with admitted(path, pixels, formats) as image:
        return to_unit(image.decode(), image.header, pixels)


def read_with_missing(
    path: Path | EncodedImage, pixels: PixelFormat = COLOUR, formats: Formats | None = None
) -> tuple[Tensor, Tensor | None]:
    """Read an image as `read_image` does; return it and 1 for each pixel without data, `(1, H, W)` or None."""
    with admitted(path, pixels, formats) as image:
        values = image.decode()
        missing = missing_in(values, image.header)
        unit = to_unit_without(missing, values, image.header, pixels)[0]
        return unit, None if missing is None else torch.from_numpy(missing.transpose(2, 0, 1).astype(np.float32))


@dataclass(frozen=True)
class Values:
    """The values of an image as stored in its file; 8-bit values take a quarter of the memory of float32 values.

    Attributes:
        content: The values, `(H, W, channels)`.
        header: The header of the image.
        carry: What else the file says.
    """

    content: NDArray[Any]
    header: ImageHeader
    carry: Carry | None = None


def read_values(path: Path | EncodedImage, pixels: PixelFormat = COLOUR, formats: Formats | None = None) -> Values:
    """Read an image and turn it upright, but keep its values as stored, which saves memory for large images.

    Raises:
        DataError: See `read_image`.
    """
    with admitted(path, pixels, formats) as image:
        if (problem := misfit(image.header, pixels)) is not None:
            raise problem
        return Values(image.decode(), image.header, image.carry())


def values_of_picture(picture: Image.Image, pixels: PixelFormat = COLOUR) -> Values:
    """Return the values of a Pillow picture in the form that `read_values` returns.

    Raises:
        DataError: The mode of the picture is not supported, or the picture does not fit the domain.
    """
    header = picture_header(picture)
    if header is None:
        raise DataError(f"pictures of mode {picture.mode} are not supported", hint="pass the pixels as an array")
    if (problem := misfit(header, pixels)) is not None:
        raise problem
    return Values(picture_values(picture), header)


def extremes_of(
    path: Path | EncodedImage, pixels: PixelFormat = COLOUR, formats: Formats | None = None
) -> tuple[float, float]:
    """Return the lowest and the highest finite value of the pixels with data, regardless of any declared range.

    Raises:
        DataError: The file fails a check, cannot be decoded, or contains no finite number.
    """
    with admitted(path, pixels, formats) as image:
        values = image.decode()
        missing = missing_in(values, image.header)
        present = values if missing is None else values[~missing[..., 0]]
        finite = present[np.isfinite(present)]
        if not finite.size:
            raise DataError("contains no finite number")
        return float(finite.min()), float(finite.max())
