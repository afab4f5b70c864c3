"""Modulated convolutions: weights of unit norm that depend on the style of each image."""

from __future__ import annotations

import torch
from cgkit_uvcgan.modulation import ModulatedConvolution
from torch.nn import functional as F


def trained(before, after, style):
    layer = ModulatedConvolution(before, after, style).double()
    with torch.no_grad():
        layer.share.fill_(0.9)
        layer.bias.normal_()
    return layer


def test_each_image_is_convolved_with_the_weights_of_its_style():
    layer = trained(5, 4, 3)
    features, style = torch.randn(2, 5, 6, 7).double(), torch.randn(2, 3).double()
    output = layer(features, style)
    for index in range(2):
        scales = 1 + layer.share * layer.scales(style[index])
        weight = layer.convolution.weight * scales[None, :, None, None]
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        expected = F.conv2d(features[index : index + 1], weight, layer.bias, padding=1)
        assert torch.allclose(output[index : index + 1], expected, atol=1e-12)


def test_the_deviation_of_noise_is_preserved_for_any_style_and_scale_of_the_weights():
    layer = trained(16, 8, 4)
    with torch.no_grad():
        layer.bias.zero_()
        layer.convolution.weight.mul_(100)
    output = layer(torch.randn(4, 16, 64, 64).double(), 10 * torch.randn(4, 4).double())
    deviations = output[..., 1:-1, 1:-1].std((2, 3))
    assert (deviations - 1).abs().max() < 0.1


def test_the_style_has_no_effect_at_initialisation_but_a_gradient():
    layer = ModulatedConvolution(5, 4, 3)
    features, style = torch.randn(2, 5, 6, 6), torch.randn(2, 3)
    output = layer(features, style)
    assert torch.equal(output, layer(features, torch.zeros(2, 3)))
    output.square().sum().backward()
    assert layer.share.grad is not None
    assert layer.share.grad.any()
