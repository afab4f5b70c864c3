"""The types of images that a translator accepts, and their conversion to batches and back."""

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

from cgkit.contracts import ImageHeader, Layout
from cgkit.data.framing import resize
from cgkit.errors import DataError, UsageError
from cgkit.images.formats import Formats
from cgkit.images.pixels import PixelFormat, to_unit, to_values, with_alpha
from cgkit.images.reading import Values, read_values, values_of_picture

Form = Tensor | NDArray[Any] | Image.Image | str | os.PathLike[str]
"""A tensor `(C, H, W)` or `(N, C, H, W)` in [0, 1]; an array `(H, W)`, `(H, W, C)` or `(N, H, W, C)` of integers or
floats; a Pillow image; or the path of a file."""

Back = Callable[[Tensor], Any]
"""Converts a batch of translations to the type of the original images."""

_WHOLE = (np.dtype(np.uint8), np.dtype(np.uint16))
_GREY_PICTURES = {"uint8": "uint8", "uint16": "uint16", "int16": "int32", "int32": "int32", "float32": "float32"}
"""The depths that a grey Pillow image can represent, and the dtype that Pillow expects for each depth."""


def to_batch(image: Tensor | NDArray[Any] | Values, source: PixelFormat, target: PixelFormat) -> tuple[Tensor, Back]:
    """Convert images to a batch `(N, C, H, W)` in [0, 1], and return a function that converts translations back.

    Tensors and arrays must have as many channels as the model. Pillow images and files are converted like training
    images: orientation and colour profile are applied, transparency is handled as the spec says, and grey is repeated
    for a colour model. They are translated to Pillow images, or to arrays if Pillow cannot represent the translations.

    Args:
        image: one or more images, as returned by `load`.
        source: the pixel format of the model's input.
        target: the pixel format of the model's output.

    Raises:
        DataError: the image has the wrong shape, type or range.
    """
    if isinstance(image, Tensor):
        return _from_tensor(image, source.channels)
    if isinstance(image, np.ndarray):
        return _from_array(image, source, target)
    pixels, alpha = to_unit(image.content, image.header, source)
    carried = alpha if source.alpha == "carry" else None

    def back(translations: Tensor) -> Image.Image | NDArray[Any]:
        fitted = None if carried is None else resize(carried, (translations.shape[-2], translations.shape[-1]))
        translation, written = with_alpha(translations[0], fitted, target)
        return to_picture(to_values(translation, written), written)

    return pixels[None], back


def load(image: Form, source: PixelFormat, formats: Formats) -> Tensor | NDArray[Any] | Values:
    """Load the values of a Pillow image or a file without converting them; tensors and arrays are returned as is.

    Raises:
        DataError: the Pillow image or file cannot be read.
        UsageError: `image` has an unsupported type.
    """
    if isinstance(image, (Tensor, np.ndarray)):
        return image
    if isinstance(image, Image.Image):
        return values_of_picture(image, source)
    if isinstance(image, (str, os.PathLike)):
        return read_values(Path(image), source, formats)
    raise UsageError(f"an image must be a tensor, an array, a Pillow image or a path, not {type(image).__name__}")


def to_picture(values: NDArray[Any], target: PixelFormat) -> Image.Image | NDArray[Any]:
    """Convert an array `(H, W, C)` to a Pillow image; return it unchanged if Pillow cannot represent it."""
    if values.shape[-1] == 1 and target.depth in _GREY_PICTURES:
        return Image.fromarray(values[..., 0].astype(_GREY_PICTURES[target.depth]))
    if target.depth == "uint8" and target.colours in (1, 3):
        return Image.fromarray(np.ascontiguousarray(values))
    return values


def _from_tensor(image: Tensor, channels: int) -> tuple[Tensor, Back]:
    if image.ndim not in (3, 4) or image.shape[-3] != channels:
        raise _wrong_shape(image.shape, channels, f"({channels}, H, W) or (N, {channels}, H, W)")
    if not image.is_floating_point():
        raise DataError(f"the range of a tensor of {image.dtype} is unknown", hint="use floats in [0, 1]")
    device, dtype = image.device, image.dtype
    if image.ndim == 4:
        return image.float(), lambda translations: translations.to(device, dtype)
    return image[None].float(), lambda translations: translations[0].to(device, dtype)


def _from_array(image: NDArray[Any], source: PixelFormat, target: PixelFormat) -> tuple[Tensor, Back]:
    channels = source.channels
    is_flat = image.ndim == 2 and channels == 1
    if not is_flat and (image.ndim not in (3, 4) or image.shape[-1] != channels):
        expected = f"(H, W, {channels}) or (N, H, W, {channels})"
        raise _wrong_shape(image.shape, channels, f"(H, W), {expected}" if channels == 1 else expected)
    given = _with_range_of(image, source)
    images = list(image) if image.ndim == 4 else [image[..., None] if is_flat else image]
    written = _output_format(image.dtype, source, target)

    def back(translations: Tensor) -> NDArray[Any]:
        array = np.stack([to_values(translation, written) for translation in translations])
        array = array if image.ndim == 4 else array[0]
        return array[..., 0] if is_flat and array.shape[-1] == 1 else array

    return torch.stack([_array_to_unit(values, given) for values in images]), back


def _with_range_of(image: NDArray[Any], source: PixelFormat) -> PixelFormat:
    """Return the source format, with the range [0, 1] if the spec declares no range and the array holds floats."""
    if source.range is not None and image.dtype.kind in "biuf":
        return source
    if image.dtype in _WHOLE:
        return source
    if not np.issubdtype(image.dtype, np.floating):
        raise DataError(
            f"the range of an array of {image.dtype} is unknown", hint="use uint8, uint16 or floats in [0, 1]"
        )
    if image.size and not (image.min() >= 0 and image.max() <= 1):  # written as `not`, so that NaN is refused too
        raise DataError("an array of floats must lie in [0, 1]", hint="divide it by its largest possible value")
    return replace(source, range=(0, 1))


def _output_format(dtype: np.dtype[Any], source: PixelFormat, target: PixelFormat) -> PixelFormat:
    """Return the format of a translated array: the dtype is kept for floats, and for 8 or 16 bits without a range."""
    if np.issubdtype(dtype, np.floating):
        return replace(target, depth=dtype.name, range=target.range or (0, 1))
    if dtype in _WHOLE and source.range is None and target.range is None:
        return replace(target, depth=dtype.name)
    return target


def _array_to_unit(values: NDArray[Any], pixels: PixelFormat) -> Tensor:
    height, width, channels = values.shape
    layout: Layout = "grey" if pixels.colours == 1 else "colour" if pixels.colours == 3 else "bands"
    header = ImageHeader(width, height, channels, "array", values.dtype.name, layout, pixels.has_alpha)
    return to_unit(values, header, pixels)[0]


def _wrong_shape(shape: tuple[int, ...], channels: int, expected: str) -> DataError:
    return DataError(f"the shape is {tuple(shape)}; a model for {channels} channels expects {expected}")
