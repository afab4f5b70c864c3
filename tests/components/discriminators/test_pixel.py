"""The pixel discriminator: one logit per pixel, from that pixel alone."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save
from torch.nn import functional as F

from cgkit.components.discriminators.pixel import PixelDiscriminator


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (16, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_returns_one_finite_logit_per_pixel_at_every_size(size, channels):
    network = PixelDiscriminator(channels, width=4)
    for images in (torch.randn(2, channels, *size), torch.zeros(1, channels, *size)):
        logits = network(images)
        assert logits.shape == (len(images), 1, *size)
        assert logits.isfinite().all()


def test_without_a_norm_a_logit_depends_on_its_pixel_alone():
    network = PixelDiscriminator(3, width=4, norm="none")
    images = torch.rand(1, 3, 5, 5, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(images)[0, 0, 2, 3], images)
    assert gradient.any(1).nonzero().tolist() == [[0, 2, 3]]


def test_it_computes_the_published_function():
    network = PixelDiscriminator(3, width=4).double()
    first, second, last = (network.layers[index] for index in (0, 2, 5))
    images = torch.rand(2, 3, 6, 7, dtype=torch.float64)
    features = F.leaky_relu(F.conv2d(images, first.weight, first.bias), 0.2)
    features = F.leaky_relu(F.instance_norm(F.conv2d(features, second.weight)), 0.2)
    assert torch.allclose(network(images), F.conv2d(features, last.weight, last.bias), atol=1e-12)


def test_it_has_the_published_layers():
    with torch.device("meta"):
        parameters = PixelDiscriminator(3).state_dict()
    assert [tuple(parameter.shape) for parameter in parameters.values()] == [
        (64, 3, 1, 1),
        (64,),
        (128, 64, 1, 1),
        (1, 128, 1, 1),
        (1,),
    ]


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_its_state_survives_safetensors(norm):
    first, second = (PixelDiscriminator(3, width=4, norm=norm, affine=True) for _ in range(2))
    images = torch.rand(2, 3, 4, 4)
    first(images)  # updates the state of batch norm
    second.load_state_dict(load(save(first.state_dict())))
    assert torch.equal(first.eval()(images), second.eval()(images))
