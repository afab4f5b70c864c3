"""The forms in which an image may be given to a translator, and come back."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from cgkit.data.admission import CHANNELS
from cgkit.data.images import Colour, picture_of, read_image, tensor_of
from cgkit.errors import DataError, UsageError

Form = Tensor | NDArray[Any] | Image.Image | str | os.PathLike[str]
"""A tensor `(C, H, W)` or `(N, C, H, W)` in [0, 1]; an array `(H, W)`, `(H, W, C)` or `(N, H, W, C)`, uint8, uint16, or
float in [0, 1]; a picture of Pillow; a file's path."""

Back = Callable[[Tensor], Any]
"""From a batch of translations to the form in which the images were given."""


def batch_of(image: Form, channels: int, background: Colour) -> tuple[Tensor, Back]:
    """Return images as a batch `(N, C, H, W)` in [0, 1], and what gives their translations the same form.

    Tensors and arrays must have the channels that the model reads. Pictures and files are converted as training images
    are: orientation applied, transparency composited over `background`, grey repeated. A file comes back as a picture.

    Raises:
        DataError: the image has another shape, type or range.
        UsageError: it has none of the forms.
    """
    if isinstance(image, Tensor):
        return _of_tensor(image, channels)
    if isinstance(image, np.ndarray):
        return _of_array(image, channels)
    if isinstance(image, Image.Image):
        if image.mode not in CHANNELS:
            raise DataError(f"a picture of mode {image.mode} cannot be read", hint="give its pixels as an array")
        upright = ImageOps.exif_transpose(image)
        return tensor_of(upright, channels=channels, background=background)[None], _one_picture
    if isinstance(image, (str, os.PathLike)):
        return read_image(Path(image), channels=channels, background=background)[None], _one_picture
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


def _of_array(image: NDArray[Any], channels: int) -> tuple[Tensor, Back]:
    flat = image.ndim == 2 and channels == 1
    if not flat and (image.ndim not in (3, 4) or image.shape[-1] != channels):
        expected = f"(H, W, {channels}) or (N, H, W, {channels})"
        raise _unfit(image.shape, channels, f"(H, W), {expected}" if channels == 1 else expected)
    values = image[..., None] if flat else image
    values = values[None] if values.ndim == 3 else values
    highest = _highest(image)
    batch = torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2), dtype=np.float32)) / highest

    def back(translated: Tensor) -> NDArray[Any]:
        levels = translated.permute(0, 2, 3, 1).double().mul(highest).numpy()
        whole = np.issubdtype(image.dtype, np.integer)
        array: NDArray[Any] = (np.rint(levels) if whole else levels).astype(image.dtype)
        array = array if image.ndim == 4 else array[0]
        return array[..., 0] if flat and array.shape[-1] == 1 else array

    return batch, back


def _highest(image: NDArray[Any]) -> int:
    """Return what stands for 1: the highest level of an integer type, 1 for floating point."""
    if image.dtype in (np.uint8, np.uint16):
        return int(np.iinfo(image.dtype).max)
    if not np.issubdtype(image.dtype, np.floating):
        raise DataError(f"an array of {image.dtype} has no range; give uint8, uint16 or floats in [0, 1]")
    if image.size and not (image.min() >= 0 and image.max() <= 1):  # false for nan, too
        raise DataError("an array of floats must lie in [0, 1]", hint="divide by its highest level")
    return 1


def _one_picture(translated: Tensor) -> Image.Image:
    return picture_of(translated[0])


def _unfit(shape: tuple[int, ...], channels: int, expected: str) -> DataError:
    return DataError(f"the model translates images of {channels} channels, {expected}; got shape {tuple(shape)}")
