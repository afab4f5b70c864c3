"""Convolutions between images of few channels and features, computed on groups of neighbouring pixels.

Tensor cores multiply matrices with at least 16 columns, in practice 64, so a convolution with 3 output channels wastes
most of its multiplications. If 8 neighbouring pixels of a row count as one pixel with 8 times the channels, the same
convolution has 24 output channels and a narrower kernel with some zeros. In channels_last, regrouping the pixels of a
row copies nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PIXELS = 8
"""The number of neighbouring pixels in a group."""


class FoldedConvolution(nn.Conv2d):
    """A convolution of stride 1 without padding whose input or output has few channels.

    On a GPU in bfloat16 or float16, and if the width of the result is a multiple of 8, it is computed on groups of 8
    pixels. The parameters are those of `nn.Conv2d`, and so is the result, up to rounding.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, kernel, bias=bias)

    def extra_columns(self, features: Tensor, width: int) -> int:
        """Return how many columns of zeros `convolve_extended` needs on the right of its input; 0 not to use it.

        Args:
            features: a tensor on the same device as the input will be.
            width: the width of the result.
        """
        if not features.is_cuda or width % PIXELS or _compute_dtype(features).itemsize != 2:
            return 0
        return -(self.kernel_size[1] - 1) % PIXELS

    def convolve_extended(self, features: Tensor) -> Tensor:
        """Convolve features with the columns that `extra_columns` asks for: `(N, C, H, W)`, W a multiple of 8."""
        dtype = _compute_dtype(features)
        count, channels, height, width = features.shape
        groups = features.to(dtype).permute(0, 2, 3, 1).reshape(count, height, width // PIXELS, PIXELS * channels)
        bias = None if self.bias is None else self.bias.to(dtype).repeat(PIXELS)
        made = F.conv2d(groups.permute(0, 3, 1, 2), _fold(self.weight.to(dtype)), bias).permute(0, 2, 3, 1)
        out = made.reshape(count, made.shape[1], made.shape[2] * PIXELS, self.out_channels)
        return out.permute(0, 3, 1, 2)


def _compute_dtype(features: Tensor) -> torch.dtype:
    """Return the dtype in which a convolution of the features is computed."""
    device = features.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype


def _fold(weight: Tensor) -> Tensor:
    """Return the weight of the convolution between groups of pixels, in channels_last.

    For the weight `(O, I, k, k)` the result is `(8 * O, 8 * I, k, b)`, with the fewest groups b that hold 7 + k pixels.
    Output pixel s of a group sees the kernel shifted by s: row s of a Toeplitz matrix.
    """
    out_channels, in_channels, height, width = weight.shape
    blocks = -(-(PIXELS - 1 + width) // PIXELS)
    length = blocks * PIXELS
    # A row of the matrix is the row above, shifted by one. So in memory, the matrix repeats one row with a gap.
    spaced = F.pad(weight, (0, length + 1 - width))
    repeated = spaced[..., None, :].expand(*spaced.shape[:-1], PIXELS, length + 1).flatten(-2)
    matrix = repeated[..., : PIXELS * length].reshape(out_channels, in_channels, height, PIXELS, blocks, PIXELS)
    nhwc = matrix.permute(3, 0, 2, 4, 5, 1).reshape(PIXELS * out_channels, height, blocks, PIXELS * in_channels)
    return nhwc.permute(0, 3, 1, 2)
