"""Reflection padding whose gradient is the same in every run."""

from __future__ import annotations

from typing import Any

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
        if images.device.type == "cpu" and not torch.compiler.is_compiling():
            padded: Tensor = _ReflectionOnCpu.apply(images, self.width)
            return padded
        return _mirrored(_mirrored(images, self.width, -2), self.width, -1)

    def extra_repr(self) -> str:
        """Return what a printed network says of this layer."""
        return str(self.width)


class _ReflectionOnCpu(torch.autograd.Function):
    """torch's own operation, which is several times as fast there; of the images no more is kept than their shape."""

    @staticmethod
    def forward(context: Any, images: Tensor, width: int) -> Tensor:
        context.width = width
        with torch.autocast("cpu", enabled=False):  # it would be done in float32, though nothing is computed
            return F.pad(images, (width,) * 4, mode="reflect")

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        width = context.width
        shaped_alike = gradient[..., width:-width, width:-width]
        return torch.ops.aten.reflection_pad2d_backward(gradient, shaped_alike, (width,) * 4), None


def _mirrored(images: Tensor, width: int, dimension: int) -> Tensor:
    side = images.shape[dimension]
    if side <= 2 * width + 2:  # nothing lies between what the two sides mirror
        head, tail = images.narrow(dimension, 1, width), images.narrow(dimension, side - 1 - width, width)
        return torch.cat((head.flip(dimension), images, tail.flip(dimension)), dimension)
    # The gradient of a split is one concatenation, that of each narrow would be a whole image of zeros.
    parts = torch.split(images, [1, width, side - 2 * width - 2, width, 1], dimension)
    return torch.cat((parts[1].flip(dimension), *parts, parts[3].flip(dimension)), dimension)
