"""Scale and crop an image to a given size, without randomness."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from cgkit.contracts import Size


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
    scaled = F.interpolate(window[None], size, mode="bicubic", align_corners=False, antialias=True)
    return scaled[0].clamp(0, 1)


def _crop_centre(image: Tensor, size: Size) -> Tensor:
    height, width = (max(1, side) for side in size)
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]
