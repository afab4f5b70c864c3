"""Reflection padding: the same function and gradient as torch's own."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from cgkit.components.layers.padding import ReflectionPadding

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("extra", [(1, 1), (2, 9), (5, 3), (8, 1), (9, 10)])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("gradient_layout", LAYOUTS)
def test_it_is_torchs_reflection_with_the_same_gradient(width, extra, layout, gradient_layout):
    height, across = width + extra[0], width + extra[1]
    images = torch.randn(2, 3, height, across, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    padded = ReflectionPadding(width)(images)
    expected = F.pad(images, (width,) * 4, mode="reflect")
    assert torch.equal(padded, expected)
    assert padded.is_contiguous(memory_format=layout)
    upstream = torch.randn(padded.shape, dtype=torch.float64).to(memory_format=gradient_layout)
    (gradient,) = torch.autograd.grad(padded, images, upstream)
    (expected_gradient,) = torch.autograd.grad(expected, images, upstream)
    assert torch.allclose(gradient, expected_gradient, rtol=1e-14, atol=1e-14)


def test_it_can_be_differentiated_twice():
    images = torch.randn(1, 1, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: ReflectionPadding(2)(x).square(), images)
