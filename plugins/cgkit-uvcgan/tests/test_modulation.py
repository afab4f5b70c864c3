"""Modulated convolutions: weights of each image's own, of which the norms are one."""

from __future__ import annotations

import torch
from cgkit_uvcgan.modulation import ModulatedConvolution
from torch.nn import functional as F


def learned(before, after, style):
    layer = ModulatedConvolution(before, after, style).double()
    with torch.no_grad():
        layer.share.fill_(0.9)
        layer.bias.normal_()
    return layer


def test_it_convolves_each_image_with_the_weights_of_its_style():
    layer = learned(5, 4, 3)
    features, style = torch.randn(2, 5, 6, 7).double(), torch.randn(2, 3).double()
    made = layer(features, style)
    for number in range(2):
        scales = 1 + layer.share * layer.scales(style[number])
        weight = layer.convolution.weight * scales[None, :, None, None]
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        expected = F.conv2d(features[number : number + 1], weight, layer.bias, padding=1)
        assert torch.allclose(made[number : number + 1], expected, atol=1e-12)


def test_noise_keeps_its_deviation_whatever_the_style_and_the_size_of_the_weights():
    layer = learned(16, 8, 4)
    with torch.no_grad():
        layer.bias.zero_()
        layer.convolution.weight.mul_(100)
    made = layer(torch.randn(4, 16, 64, 64).double(), 10 * torch.randn(4, 4).double())
    deviations = made[..., 1:-1, 1:-1].std((2, 3))
    assert (deviations - 1).abs().max() < 0.1


def test_no_style_has_an_effect_at_first_and_every_style_can_learn_to():
    layer = ModulatedConvolution(5, 4, 3)
    features, style = torch.randn(2, 5, 6, 6), torch.randn(2, 3)
    made = layer(features, style)
    assert torch.equal(made, layer(features, torch.zeros(2, 3)))
    made.square().sum().backward()
    assert layer.share.grad is not None
    assert layer.share.grad.any()
