"""3x3 convolutions by Winograd's minimal filtering: the same function and gradients as torch's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from cgkit.components.layers import winograd
from cgkit.components.layers.winograd import Convolution3x3

LAYOUTS = [torch.contiguous_format, torch.channels_last]
sides = st.integers(1, 6).map(lambda half: 2 * half + 2)


def always_winograd(before: int, after: int, *, bias: bool = True) -> Convolution3x3:
    layer = Convolution3x3(before, after, bias=bias).double()
    layer.LEAST_SIDE = layer.LEAST_CHANNELS = 0
    return layer


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(1, 5),
    sides,
    sides,
    *[st.sampled_from(LAYOUTS)] * 2,
    st.booleans(),
)
def test_it_equals_torchs_convolution_with_the_same_gradients(
    batch, before, after, height, width, layout, gradient_layout, bias
):
    layer = always_winograd(before, after, bias=bias)
    features = torch.randn(batch, before, height, width, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    upstream = torch.randn(batch, after, height - 2, width - 2, dtype=torch.float64).to(memory_format=gradient_layout)
    expected = F.conv2d(features, layer.weight, layer.bias)
    output = layer(features)
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)
    inputs = [features, *layer.parameters()]
    ours, theirs = (torch.autograd.grad(tensor, inputs, upstream) for tensor in (output, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_the_result_does_not_depend_on_the_bands_of_rows(monkeypatch):
    layer = always_winograd(4, 6)
    features = torch.randn(2, 4, 24, 10, dtype=torch.float64, requires_grad=True)
    results = []
    for buffer in (1, 16 * 5 * 4 * 3, 2**21):  # a pair of rows at a time, three and a rest, all
        monkeypatch.setattr(winograd, "BUFFER", buffer)
        output = layer(features)
        results.append((output, *torch.autograd.grad(output.square().sum(), [features, layer.weight])))
    torch.testing.assert_close(results[1], results[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(results[2], results[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("frozen", ["features", "weight"])
def test_frozen_inputs_get_no_gradient(frozen):
    layer = always_winograd(2, 3, bias=False)
    features = torch.randn(1, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    {"features": features, "weight": layer.weight}[frozen].requires_grad_(False)
    layer(features).sum().backward()
    assert (features.grad is None) is (frozen == "features")
    assert (layer.weight.grad is None) is (frozen == "weight")


def test_it_can_be_differentiated_twice():
    layer = always_winograd(2, 2)
    features = torch.randn(1, 2, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: layer(x).square(), features)


def test_its_float32_rounding_error_is_close_to_that_of_the_direct_sum():
    torch.manual_seed(0)
    layer = always_winograd(256, 16).float()
    features = torch.randn(1, 256, 34, 34)
    exact = F.conv2d(features.double(), layer.weight.double(), layer.bias.double())
    direct = F.conv2d(features, layer.weight, layer.bias)
    assert (layer(features) - exact).norm() < 3 * (direct - exact).norm()


@pytest.mark.parametrize("size", [(34, 34), (36, 70)])
def test_large_images_with_many_channels_use_winograd(size):
    layer = Convolution3x3(256, 256, bias=False)
    output = layer(torch.randn(1, 256, *size))
    assert output.grad_fn.name() != F.conv2d(torch.randn(1, 256, 4, 4), layer.weight).grad_fn.name()


@pytest.mark.parametrize(("channels", "size"), [(8, (34, 34)), (256, (18, 18)), (256, (34, 35))])
def test_other_images_use_torchs_convolution(channels, size):
    layer = Convolution3x3(channels, channels)
    features = torch.randn(1, channels, *size)
    assert torch.equal(layer(features), F.conv2d(features, layer.weight, layer.bias))


def test_bf16_uses_torchs_convolution():
    layer, features = Convolution3x3(256, 256), torch.randn(1, 256, 34, 34)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(features), F.conv2d(features, layer.weight, layer.bias))


def test_an_exporter_sees_an_ordinary_convolution():
    layer = Convolution3x3(256, 256).eval()
    graph = torch.export.export(layer, (torch.randn(1, 256, 34, 34),)).graph
    assert [node.target for node in graph.nodes if node.op == "call_function"] == [torch.ops.aten.conv2d.default]


def test_its_parameters_are_those_of_a_convolution():
    ours, expected = (
        {name: tensor.shape for name, tensor in layer.state_dict().items()}
        for layer in (Convolution3x3(3, 5), nn.Conv2d(3, 5, 3))
    )
    assert ours == expected
