from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from cgkit.components.layers.fused.folded_convolution import FoldedConvolution


@pytest.mark.parametrize(("channels", "kernel"), [((3, 5), 7), ((5, 3), 7), ((2, 4), 3), ((1, 1), 1)])
def test_folding_pixels_into_channels_changes_neither_result_nor_gradients(
    channels: tuple[int, int], kernel: int
) -> None:
    convolution = FoldedConvolution(*channels, kernel).double()
    images = torch.randn(2, channels[0], 9, 15 + kernel, dtype=torch.float64, requires_grad=True)
    expected = convolution(images)
    expected.square().sum().backward()
    gradients = [images.grad, convolution.weight.grad, convolution.bias.grad]  # type: ignore[union-attr]
    images.grad = convolution.weight.grad = None
    convolution.zero_grad()
    folded = convolution.convolve_extended(F.pad(images, (0, -(kernel - 1) % 8)))
    folded.square().sum().backward()
    torch.testing.assert_close(folded, expected)
    for found, before in zip([images.grad, convolution.weight.grad, convolution.bias.grad], gradients, strict=True):  # type: ignore[union-attr]
        torch.testing.assert_close(found, before)


def test_images_are_not_folded_on_a_cpu() -> None:
    assert FoldedConvolution(3, 8, 7).extra_columns(torch.zeros(1, 3, 16, 16), 16) == 0
