"""Framing: scale an image to slightly more than the training size, then crop a random window."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from torch import Tensor, nn

from cgkit.contracts import Role, Size

_MAX_SCALED_SIDES = 8
"""Maximum length of a scaled image's longer side, as a multiple of the size to cover. Without this limit, a scaled
image of 10 x 30000 pixels would take gigabytes."""


class ResizeAndCrop(nn.Module):
    """Scale to slightly more than the training size, then crop a random window (Zhu et al., 2017).

    The published code of CycleGAN scales to 286 x 286 and crops 256 x 256. Scaling is bicubic and antialiased;
    overshoots are clamped to [0, 1].

    Args:
        scale: the scaled size relative to the training size.
        aspect: "stretch" scales to exactly the scaled size, as published; "keep" covers that size and
            keeps the image's aspect ratio.
        resize: whether to scale; if false, the image must be at least as large as the window.
    """

    role: Role = "framing"

    def __init__(
        self,
        *,
        scale: Annotated[float, Ge(1), Le(8)] = 286 / 256,
        aspect: Literal["stretch", "keep"] = "stretch",
        resize: bool = True,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.aspect = aspect
        self.resize = resize

    def smallest(self, size: Size) -> Size:
        """Return the smallest height and width of an image from which a window of `size` can be cropped."""
        return (1, 1) if self.resize else size

    def scaled_size(self, image: Size, size: Size) -> Size:
        """Return the height and width to which an image of that size is scaled before a window of `size` is cropped."""
        if not self.resize:
            return image
        rows, columns = self._target(size)
        if self.aspect == "stretch":
            return rows, columns
        factor = max(rows / image[0], columns / image[1])
        return round(image[0] * factor), round(image[1] * factor)

    def forward(self, image: Tensor, size: Size) -> Tensor:
        """Scale images `(N, C, H, W)` in [0, 1] and return a random window `(N, C, *size)`.

        Raises:
            ValueError: `resize` is false and the image is smaller than the window.
        """
        height, width = image.shape[-2:]
        if self.resize:
            image = self._scale_image(image, size)
        elif height < size[0] or width < size[1]:
            raise ValueError(
                f"an image of {height} x {width} pixels is smaller than the window of {size[0]} x {size[1]},"
                " and resize is false"
            )
        return _crop(image, size)

    def _target(self, size: Size) -> Size:
        """Return the size that scaled images have, or cover."""
        return round(self.scale * size[0]), round(self.scale * size[1])

    def _scale_image(self, image: Tensor, size: Size) -> Tensor:
        height, width = image.shape[-2:]
        rows, columns = self._target(size)
        if self.aspect == "keep":
            factor = max(rows / height, columns / width)
            limits = [math.ceil(_MAX_SCALED_SIDES * side / factor) for side in (rows, columns)]
            height, width = min(height, limits[0]), min(width, limits[1])
            image = _crop(image, (height, width))
            rows, columns = round(height * factor), round(width * factor)
        if (rows, columns) == (height, width):
            return image
        scaled = F.interpolate(image, (rows, columns), mode="bicubic", align_corners=False, antialias=True)
        return scaled.clamp(0, 1)


def _crop(image: Tensor, size: Size) -> Tensor:
    """Return a window at a uniformly random position."""
    margins = [side - target for side, target in zip(image.shape[-2:], size, strict=True)]
    top, left = (int(torch.randint(margin + 1, (), device="cpu")) for margin in margins)
    return image[..., top : top + size[0], left : left + size[1]]
