"""A convolution whose weights are modulated by a style."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ModulatedConvolution(nn.Module):
    """A 3x3 convolution with modulated and demodulated weights (Karras et al., 2020, equations 1 to 3).

    The style scales each input channel; each output channel is then divided by the norm of its scaled weights. The
    scales are `1 + share * linear(style)` with a learned scalar `share` that is initialised to zero, so the
    scales start at one (UVCGANv2).

    Args:
        before: number of input channels.
        after: number of output channels.
        style: size of a style vector.
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
        # Scaling the features is equivalent to scaling the weights, but needs no separate weights for each image.
        norms = torch.rsqrt(scales.square() @ self.convolution.weight.square().sum((2, 3)).T + 1e-8)
        convolved = self.convolution(features * _per_channel(scales, features))
        modulated: Tensor = convolved * _per_channel(norms, convolved) + self.bias.to(convolved.dtype)[:, None, None]
        return modulated


def _per_channel(factors: Tensor, features: Tensor) -> Tensor:
    """Reshape factors `(N, C)` so that they multiply feature maps `(N, C, H, W)`."""
    return factors.to(features.dtype)[:, :, None, None]
