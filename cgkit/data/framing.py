"""Scale and crop an image to a given size, without randomness."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from cgkit.contracts import Size

COVERING = "bicubic, antialiased, covering the size, cut at the centre"
"""The description of `cover` in the protocols of scores, which are compared by this text, so it must not change."""

_MOST_SCALED = 8
"""The longest side of an image that is scaled as a whole, as a multiple of the size to crop."""


def cover(image: Tensor, size: Size) -> Tensor:
    """Scale an image so that it just covers `size`, and crop it to that size around its centre.

    Args:
        image: `(C, H, W)` in [0, 1], of any size.
        size: The target height and width, in pixels.

    Returns:
        The scaled and cropped image, `(C, *size)` in [0, 1]; `image` itself if it already has that size. Scaling is
        bicubic and antialiased.
    """
    height, width = image.shape[-2:]
    if (height, width) == tuple(size):
        return image
    factor = max(size[0] / height, size[1] / width)
    # Crop before scaling: a long strip would take gigabytes if it were scaled up as a whole.
    window = _crop_centre(image, (min(height, round(size[0] / factor)), min(width, round(size[1] / factor))))
    return resize(window, size)


def covering_size(image: Size, size: Size) -> Size:
    """Return the height and width to which `cover` scales an image of that height and width before it crops it."""
    factor = max(size[0] / image[0], size[1] / image[1])
    return max(size[0], round(image[0] * factor)), max(size[1], round(image[1] * factor))


def crop_scaled(image: Tensor, scaled: Size, size: Size) -> Tensor:
    """Scale an image to the size `scaled`, and crop it to `size` around its centre.

    Args:
        image: `(C, H, W)` in [0, 1].
        scaled: The height and width to scale the whole image to.
        size: The height and width of the result.

    Raises:
        ValueError: The scaled image is smaller than the result.
    """
    if scaled[0] < size[0] or scaled[1] < size[1]:
        raise ValueError(
            f"an image of {scaled[0]} x {scaled[1]} pixels is smaller than the window of {size[0]} x {size[1]}"
        )
    sides = image.shape[-2:]
    factors = [to / side for to, side in zip(scaled, sides, strict=True)]
    # Crop most of a long strip before scaling, because it would take gigabytes if it were scaled up as a whole.
    limits = [math.ceil(_MOST_SCALED * target / factor) for target, factor in zip(size, factors, strict=True)]
    window = _crop_centre(image, (min(sides[0], limits[0]), min(sides[1], limits[1])))
    height, width = (round(side * factor) for side, factor in zip(window.shape[-2:], factors, strict=True))
    return _crop_centre(resize(window, (height, width)), size)


def resize(images: Tensor, size: Size) -> Tensor:
    """Scale images `(C, H, W)` or `(N, C, H, W)` in [0, 1] to `size`, bicubic and antialiased.

    Images that already have that size are returned as they are.
    """
    if images.shape[-2:] == tuple(size):
        return images
    batch = images if images.ndim == 4 else images[None]
    scaled = F.interpolate(batch, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
    return scaled if images.ndim == 4 else scaled[0]


def _crop_centre(image: Tensor, size: Size) -> Tensor:
    height, width = (max(1, side) for side in size)
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]
