"""Framing: scale an image a little larger than it is trained on, then cut a random window."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from torch import Tensor, nn

from cgkit.contracts import Role, Size

_LONGEST = 8
"""Times the size that the long side of a scaled image may have: a strip of 10 x 30000 pixels, scaled to cover, would
take gigabytes."""


class ResizeAndCrop(nn.Module):
    """Scale a little larger, then cut a random window.

    Zhu et al., 2017 ("Unpaired image-to-image translation"), published code: 286 x 286, then a window of 256 x 256.
    Scaling is bicubic and antialiased; overshoots are clamped to [0, 1].

    Args:
        scale: how much larger than the trained size the image is before the window is cut.
        aspect: "stretch" ignores the image's aspect ratio (as published), "keep" scales it until it covers.
        resize: false cuts the window from the image as it is, which must be at least as large as the window.
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
        """Return the least height and width that an image must have."""
        return (1, 1) if self.resize else size

    def forward(self, image: Tensor, size: Size) -> Tensor:
        """Return a window `(N, C, *size)` of images `(N, C, H, W)` in [0, 1].

        Raises:
            ValueError: nothing is to be resized, and the image is smaller than the window.
        """
        height, width = image.shape[-2:]
        if self.resize:
            image = self._scaled(image, size)
        elif height < size[0] or width < size[1]:
            raise ValueError(
                f"an image of {height} x {width} pixels is smaller than the window of {size[0]} x {size[1]},"
                " and resize is off"
            )
        return _window(image, size)

    def _scaled(self, image: Tensor, size: Size) -> Tensor:
        height, width = image.shape[-2:]
        rows, columns = (round(self.scale * side) for side in size)
        if self.aspect == "keep":
            factor = max(rows / height, columns / width)
            longest = (math.ceil(_LONGEST * rows / factor), math.ceil(_LONGEST * columns / factor))
            height, width = min(height, longest[0]), min(width, longest[1])
            image = _window(image, (height, width))
            rows, columns = round(height * factor), round(width * factor)
        if (rows, columns) == (height, width):
            return image
        scaled = F.interpolate(image, (rows, columns), mode="bicubic", align_corners=False, antialias=True)
        return scaled.clamp(0, 1)


def _window(image: Tensor, size: Size) -> Tensor:
    """Return a random window, any place being as likely as any other."""
    spare = [have - want for have, want in zip(image.shape[-2:], size, strict=True)]
    top, left = (int(torch.randint(most + 1, (), device="cpu")) for most in spare)
    return image[..., top : top + size[0], left : left + size[1]]
