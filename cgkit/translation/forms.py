"""The forms in which an image may be given to a translator, and come back."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cgkit.errors import DataError, UsageError
from cgkit.images.header import ImageHeader, Layout
from cgkit.images.pixels import PixelFormat, to_unit, to_values, with_alpha
from cgkit.images.reading import Values, read_values, values_of_picture

Form = Tensor | NDArray[Any] | Image.Image | str | os.PathLike[str]
"""A tensor `(C, H, W)` or `(N, C, H, W)` in [0, 1]; an array `(H, W)`, `(H, W, C)` or `(N, H, W, C)` of whole numbers
or floats; a picture of Pillow; a file's path."""

Back = Callable[[Tensor], Any]
"""From a batch of translations to the form in which the images were given."""

_WHOLE = (np.dtype(np.uint8), np.dtype(np.uint16))
_GREY_PICTURES = {"uint8": "uint8", "uint16": "uint16", "int16": "int32", "int32": "int32", "float32": "float32"}
"""The depths of which Pillow has grey pictures, and as what type it takes them."""


def batch_of(image: Tensor | NDArray[Any] | Values, source: PixelFormat, target: PixelFormat) -> tuple[Tensor, Back]:
    """Return images as a batch `(N, C, H, W)` in [0, 1], and what gives their translations the same form.

    Tensors and arrays must have the channels that the model reads. Pictures and files are converted as training images
    are: orientation and colour profile applied, transparency treated as the spec says, grey repeated. They come back as
    pictures; as an array where no picture can hold the translation.

    Args:
        image: the image or images, as `opened` returns them.
        source: what the model takes.
        target: what it gives.

    Raises:
        DataError: the image has another shape, type or range.
    """
    if isinstance(image, Tensor):
        return _of_tensor(image, source.channels)
    if isinstance(image, np.ndarray):
        return _of_array(image, source, target)
    pixels, alpha = to_unit(image.content, image.header, source)
    carried = alpha if source.alpha == "carry" else None
    return pixels[None], lambda translated: _picture(translated[0], carried, target)


def opened(image: Form, source: PixelFormat) -> Tensor | NDArray[Any] | Values:
    """Return what a picture or a file holds, as it is; tensors and arrays are in memory as numbers already.

    Raises:
        DataError: it cannot be read.
        UsageError: it has none of the forms.
    """
    if isinstance(image, (Tensor, np.ndarray)):
        return image
    if isinstance(image, Image.Image):
        return values_of_picture(image, source)
    if isinstance(image, (str, os.PathLike)):
        return read_values(Path(image), source)
    raise UsageError(f"an image is a tensor, an array, a picture or a path, not {type(image).__name__}")


def _of_tensor(image: Tensor, channels: int) -> tuple[Tensor, Back]:
    if image.ndim not in (3, 4) or image.shape[-3] != channels:
        raise _unfit(image.shape, channels, f"({channels}, H, W) or (N, {channels}, H, W)")
    if not image.is_floating_point():
        raise DataError(f"a tensor of {image.dtype} has no range; give floating-point numbers in [0, 1]")
    device, dtype = image.device, image.dtype
    if image.ndim == 4:
        return image.float(), lambda translated: translated.to(device, dtype)
    return image[None].float(), lambda translated: translated[0].to(device, dtype)


def _of_array(image: NDArray[Any], source: PixelFormat, target: PixelFormat) -> tuple[Tensor, Back]:
    channels = source.channels
    flat = image.ndim == 2 and channels == 1
    if not flat and (image.ndim not in (3, 4) or image.shape[-1] != channels):
        expected = f"(H, W, {channels}) or (N, H, W, {channels})"
        raise _unfit(image.shape, channels, f"(H, W), {expected}" if channels == 1 else expected)
    given = _range_of_array(image, source)
    images = list(image) if image.ndim == 4 else [image[..., None] if flat else image]
    written = _returned(image.dtype, source, target)

    def back(translated: Tensor) -> NDArray[Any]:
        array = np.stack([to_values(one, written) for one in translated])
        array = array if image.ndim == 4 else array[0]
        return array[..., 0] if flat and array.shape[-1] == 1 else array

    return torch.stack([_unit(one, given) for one in images]), back


def _range_of_array(image: NDArray[Any], source: PixelFormat) -> PixelFormat:
    """Return the source's format with what an array's values range over, where nothing is declared: its type's own."""
    if source.range is not None and image.dtype.kind in "biuf":
        return source
    if image.dtype in _WHOLE:
        return source
    if not np.issubdtype(image.dtype, np.floating):
        raise DataError(f"an array of {image.dtype} has no range; give uint8, uint16 or floats in [0, 1]")
    if image.size and not (image.min() >= 0 and image.max() <= 1):  # false for nan, too
        raise DataError("an array of floats must lie in [0, 1]", hint="divide by its highest level")
    return replace(source, range=(0, 1))


def _returned(dtype: np.dtype[Any], source: PixelFormat, target: PixelFormat) -> PixelFormat:
    """Return what becomes of an array of a type: floats stay floats, and 8 and 16 bits of whole range do too."""
    if np.issubdtype(dtype, np.floating):
        return replace(target, depth=dtype.name, range=target.range or (0, 1))
    if dtype in _WHOLE and source.range is None and target.range is None:
        return replace(target, depth=dtype.name)
    return target


def _unit(values: NDArray[Any], pixels: PixelFormat) -> Tensor:
    height, width, channels = values.shape
    layout: Layout = "grey" if pixels.colours == 1 else "colour" if pixels.colours == 3 else "bands"
    header = ImageHeader(width, height, channels, "array", values.dtype.name, layout, pixels.has_alpha)
    return to_unit(values, header, pixels)[0]


def _picture(image: Tensor, alpha: Tensor | None, target: PixelFormat) -> Image.Image | NDArray[Any]:
    """Return a picture; where Pillow has none of such channels and depth, an array `(H, W, C)`."""
    image, target = with_alpha(image, alpha, target)
    return picture_of(to_values(image, target), target)


def picture_of(values: NDArray[Any], target: PixelFormat) -> Image.Image | NDArray[Any]:
    """Return `(H, W, C)` as a picture; as it is where Pillow has none of such channels and depth."""
    if values.shape[-1] == 1 and target.depth in _GREY_PICTURES:
        return Image.fromarray(values[..., 0].astype(_GREY_PICTURES[target.depth]))
    if target.depth == "uint8" and target.colours in (1, 3):
        return Image.fromarray(np.ascontiguousarray(values))
    return values


def _unfit(shape: tuple[int, ...], channels: int, expected: str) -> DataError:
    return DataError(f"the model translates images of {channels} channels, {expected}; got shape {tuple(shape)}")
