"""Padding layers, including reflection padding with a deterministic gradient."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Padding = Literal["reflection", "replicate", "zero"]
"""What the pixels beyond the border are: a reflection of those inside, repetitions of the border, or zeros."""


def padding_layer(kind: Padding, width: int) -> nn.Module:
    """Return a layer that adds `width` pixels on each side."""
    if kind == "reflection":
        return ReflectionPadding(width)
    return nn.ReplicationPad2d(width) if kind == "replicate" else nn.ZeroPad2d(width)


class ReflectionPadding(nn.Module):
    """Reflection padding, which does not repeat the border, with a deterministic gradient.

    The output equals that of `nn.ReflectionPad2d`, but the gradient of `nn.ReflectionPad2d` on CUDA varies with the
    order in which threads add.

    Args:
        width: number of pixels added on each side, which must be less than the images' height and width.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, images: Tensor) -> Tensor:
        """Return `(N, C, H + 2 * width, W + 2 * width)` for `(N, C, H, W)`."""
        # Every export format supports F.pad. Without the second condition, torch 2.11, where compiling counts as
        # exporting, would compile it for training as well.
        traced = torch.compiler.is_exporting() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        if traced and not torch.is_grad_enabled():
            return F.pad(images, (self.width,) * 4, mode="reflect")
        if images.device.type == "cpu" and not torch.compiler.is_compiling():
            padded: Tensor = _ReflectionOnCpu.apply(images, self.width)
            return padded
        return _reflect(_reflect(images, self.width, -2), self.width, -1)

    def extra_repr(self) -> str:
        """Return the width, which `repr` shows."""
        return str(self.width)


class _ReflectionOnCpu(torch.autograd.Function):
    """torch's own reflection padding, several times as fast on a CPU, without storing the images for the gradient."""

    @staticmethod
    def forward(context: Any, images: Tensor, width: int) -> Tensor:
        context.width = width
        with torch.autocast("cpu", enabled=False):  # autocast would needlessly convert to float32
            return F.pad(images, (width,) * 4, mode="reflect")

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        width = context.width
        same_shape = gradient[..., width:-width, width:-width]  # torch uses only the shape of this argument
        return torch.ops.aten.reflection_pad2d_backward(gradient, same_shape, (width,) * 4), None


def _reflect(images: Tensor, width: int, dimension: int) -> Tensor:
    side = images.shape[dimension]
    if side <= 2 * width + 2:  # the split below needs a gap between the strips to reflect
        head, tail = images.narrow(dimension, 1, width), images.narrow(dimension, side - 1 - width, width)
        return torch.cat((head.flip(dimension), images, tail.flip(dimension)), dimension)
    # The gradient of a split is a single concatenation. With narrow, it would be a sum of large, mostly zero images.
    parts = torch.split(images, [1, width, side - 2 * width - 2, width, 1], dimension)
    return torch.cat((parts[1].flip(dimension), *parts, parts[3].flip(dimension)), dimension)
