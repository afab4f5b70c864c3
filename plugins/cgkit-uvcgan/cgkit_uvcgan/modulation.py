"""A convolution whose weights depend on a style."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ModulatedConvolution(nn.Module):
    """A 3x3 convolution with modulated and demodulated weights (Karras et al., 2020, equations 1 to 3).

    The style sets a scale for each channel that comes in; each channel that goes out is then divided by the norm of
    its scaled weights. The scales are one at first: they are `1 + share * linear(style)` with a learned share that
    starts at zero (UVCGANv2).

    Args:
        before: channels that come in.
        after: channels that go out.
        style: numbers in a style.
    """

    def __init__(self, before: int, after: int, style: int) -> None:
        super().__init__()
        self.scales = nn.Linear(style, before)
        self.share = nn.Parameter(torch.zeros(1))
        self.convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.bias = nn.Parameter(torch.zeros(after))

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Return `(N, after, H, W)` for `(N, before, H, W)` and `(N, style)`."""
        scales = 1 + self.share * self.scales(style)
        # Scaling what comes in and what goes out is the same as scaling the weights, and needs no weights for each
        # image.
        norms = torch.rsqrt(scales.square() @ self.convolution.weight.square().sum((2, 3)).T + 1e-8)
        convolved = self.convolution(features * _spread(scales, features))
        modulated: Tensor = convolved * _spread(norms, convolved) + self.bias.to(convolved.dtype)[:, None, None]
        return modulated


def _spread(numbers: Tensor, features: Tensor) -> Tensor:
    """Return one number a channel, `(N, C)`, in the shape and type in which feature maps are multiplied by it."""
    return numbers.to(features.dtype)[:, :, None, None]
