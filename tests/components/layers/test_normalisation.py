"""Norms: instance normalisation in every layout, and when a bias before a norm has an effect."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cgkit.components.layers.normalisation import InstanceNorm, Normalisation

LAYOUTS = [torch.contiguous_format, torch.channels_last]
SIZES = [(6, 5), (33, 32)]
"""Map sizes for both torch operations used in channels_last."""


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", SIZES)
def test_instance_norm_is_the_published_function(batch, layout, size):
    features = torch.randn(batch, 5, *size, dtype=torch.float64).to(memory_format=layout)
    assert torch.allclose(InstanceNorm(5)(features), F.instance_norm(features.contiguous(), eps=1e-5), atol=1e-14)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("gradient_layout", LAYOUTS)
@pytest.mark.parametrize("size", SIZES)
def test_its_gradient_is_the_analytic_one_in_every_layout(batch, layout, gradient_layout, size):
    torch.manual_seed(0)
    features = torch.randn(batch, 4, *size, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    upstream = torch.randn(batch, 4, *size, dtype=torch.float64).to(memory_format=gradient_layout)
    (gradient,) = torch.autograd.grad(InstanceNorm(4)(features), features, upstream)
    x = features.detach()
    deviation = (x.var((2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
    normal = (x - x.mean((2, 3), keepdim=True)) / deviation
    means = upstream.mean((2, 3), keepdim=True), (upstream * normal).mean((2, 3), keepdim=True)
    assert torch.allclose(gradient, (upstream - means[0] - normal * means[1]) / deviation, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", SIZES)
def test_the_gradient_of_bfloat16_uses_statistics_in_float32(layout, size):
    features = torch.randn(2, 8, *size).bfloat16().to(memory_format=layout).requires_grad_()
    upstream = torch.randn(2, 8, *size).bfloat16().to(memory_format=layout)
    (gradient,) = torch.autograd.grad(InstanceNorm(8)(features), features, upstream)
    exact = features.detach().double().contiguous().requires_grad_()
    (expected,) = torch.autograd.grad(InstanceNorm(8)(exact), exact, upstream.double())
    # Rounding the result alone is 1.7e-3; with statistics in bfloat16 as well, 2.5e-3.
    assert (gradient - expected).norm() / expected.norm() < 2e-3


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_can_be_differentiated_twice(affine, layout):
    norm = InstanceNorm(3, affine=affine).double()
    features = torch.randn(2, 3, 3, 2, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    assert torch.autograd.gradgradcheck(norm, features)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_scale_and_shift_have_gradients_from_all_images(batch, layout):
    features = torch.randn(batch, 3, 4, 2, dtype=torch.float64).to(memory_format=layout)
    norm = InstanceNorm(3, affine=True).double()
    upstream = torch.randn(batch, 3, 4, 2, dtype=torch.float64).to(memory_format=layout)
    normal = F.instance_norm(features.contiguous(), eps=1e-5)
    (norm(features.requires_grad_()) * upstream).sum().backward()
    assert torch.allclose(norm.weight.grad, (upstream * normal).sum((0, 2, 3)), rtol=1e-12)
    assert torch.allclose(norm.bias.grad, upstream.sum((0, 2, 3)), rtol=1e-12)


@pytest.mark.parametrize("batch", [1, 2])
def test_a_map_of_one_pixel_becomes_zero(batch):
    features = torch.randn(batch, 3, 1, 1, requires_grad=True)
    normed = InstanceNorm(3)(features)
    normed.sum().backward()
    assert torch.equal(normed, torch.zeros(batch, 3, 1, 1))
    assert torch.equal(features.grad, torch.zeros(batch, 3, 1, 1))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_accepts_bfloat16_under_autocast_with_a_float32_scale(layout):
    features = torch.randn(1, 4, 8, 8).bfloat16().to(memory_format=layout)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        normed = InstanceNorm(4, affine=True)(features)
    assert torch.allclose(normed.float(), F.instance_norm(features.float()), atol=0.02)


def test_it_has_scale_and_shift_only_if_affine():
    assert not list(InstanceNorm(4).state_dict())
    assert {name: len(value) for name, value in InstanceNorm(4, affine=True).state_dict().items()} == {
        "weight": 4,
        "bias": 4,
    }


@pytest.mark.parametrize(
    ("kind", "affine", "layer", "keeps_bias"),
    [
        ("instance", False, InstanceNorm, False),
        ("instance", True, InstanceNorm, False),
        ("batch", False, nn.BatchNorm2d, False),
        ("batch", True, nn.BatchNorm2d, False),
        ("none", True, nn.Identity, True),
    ],
)
def test_a_bias_is_kept_exactly_if_the_norm_preserves_it(kind, affine, layer, keeps_bias):
    norms = Normalisation(kind, affine)
    norm = norms(4).double()
    features = torch.randn(2, 4, 3, 3, dtype=torch.float64)
    assert type(norm) is layer
    assert bool(list(norm.parameters())) is (affine and kind != "none")
    assert norms.keeps_bias is keeps_bias
    assert torch.allclose(norm(features + 0.7), norm(features)) is not keeps_bias
