"""Reflection padding whose gradient is the same in every run."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ReflectionPadding(nn.Module):
    """Mirrors an image over its border, the border itself not repeated.

    The same as `nn.ReflectionPad2d`, whose gradient on CUDA depends on the order in which threads come to add.

    Args:
        width: how many pixels are added on each side; height and width must be greater.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, images: Tensor) -> Tensor:
        """Return `(N, C, H + 2 * width, W + 2 * width)`."""
        if torch.compiler.is_exporting():  # one operation that every format knows; nobody asks for its gradient
            return F.pad(images, (self.width,) * 4, mode="reflect")
        if images.device.type == "cpu":
            with torch.autocast("cpu", enabled=False):  # it would be done in float32, though nothing is computed
                return F.pad(images, (self.width,) * 4, mode="reflect")
        return _mirrored(_mirrored(images, self.width, -2), self.width, -1)

    def extra_repr(self) -> str:
        """Return what a printed network says of this layer."""
        return str(self.width)


def _mirrored(images: Tensor, width: int, dimension: int) -> Tensor:
    side = images.shape[dimension]
    if side <= 2 * width + 2:  # nothing lies between what the two sides mirror
        head, tail = images.narrow(dimension, 1, width), images.narrow(dimension, side - 1 - width, width)
        return torch.cat((head.flip(dimension), images, tail.flip(dimension)), dimension)
    # The gradient of a split is one concatenation, that of each narrow would be a whole image of zeros.
    parts = torch.split(images, [1, width, side - 2 * width - 2, width, 1], dimension)
    return torch.cat((parts[1].flip(dimension), *parts, parts[3].flip(dimension)), dimension)
