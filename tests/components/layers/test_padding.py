"""Reflection padding: the same function and gradient as torch's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cgkit.components.layers.padding import ReflectionPadding

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture(params=["eager", "compiled"])
def padding(request: pytest.FixtureRequest) -> Callable[[int], nn.Module]:
    """Build a layer that uses either torch's own operation on a CPU, or the implementation for other devices."""
    torch.compiler.reset()
    return lambda width: (
        ReflectionPadding(width)
        if request.param == "eager"
        else torch.compile(ReflectionPadding(width), backend="eager")
    )


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("extra", [(1, 1), (2, 9), (5, 3), (8, 1), (9, 10)])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("gradient_layout", LAYOUTS)
def test_it_equals_torchs_reflection_with_the_same_gradient(padding, width, extra, layout, gradient_layout):
    images = (
        torch.randn(2, 3, width + extra[0], width + extra[1], dtype=torch.float64)
        .to(memory_format=layout)
        .requires_grad_()
    )
    padded = padding(width)(images)
    expected = F.pad(images, (width,) * 4, mode="reflect")
    assert torch.equal(padded, expected)
    assert padded.is_contiguous(memory_format=layout)
    upstream = torch.randn(padded.shape, dtype=torch.float64).to(memory_format=gradient_layout)
    (gradient,) = torch.autograd.grad(padded, images, upstream)
    (expected_gradient,) = torch.autograd.grad(expected, images, upstream)
    assert torch.allclose(gradient, expected_gradient, rtol=1e-14, atol=1e-14)


def test_bfloat16_stays_bfloat16(padding):
    images = torch.randn(1, 2, 6, 7).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        padded = padding(2)(images)
    assert padded.dtype == torch.bfloat16
    assert torch.equal(padded, F.pad(images, (2,) * 4, mode="reflect"))


def test_no_tensor_is_saved_for_the_gradient(padding):
    layer, images = padding(2), torch.randn(1, 2, 6, 7, requires_grad=True)
    layer(images)  # compiles it, in one case
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda tensor: tensor):
        layer(images)
    assert not saved


def test_it_can_be_differentiated_twice():
    images = torch.randn(1, 1, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: ReflectionPadding(2)(x).square(), images)
