"""A generator that is a single 1x1 convolution."""

from __future__ import annotations

from torch import nn


class LinearGenerator(nn.Sequential):
    """A linear map of each pixel's channels, followed by a tanh: it can change only colours.

    Args:
        bias: whether to add a learned constant to each channel; without it, mid-grey stays mid-grey.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=bias), nn.Tanh())
