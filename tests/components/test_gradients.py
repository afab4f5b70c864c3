"""Gradients of the built-in networks in bf16, in both memory layouts and compiled, compared with float64."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cgkit.options import build
from cgkit.plugins import Plugins
from cgkit.testing.subject import functional, relative_difference, scales_of

NETWORKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "resnet": ("generators", "resnet", {"width": 8, "blocks": 1}),
    "resnet with batch norm": ("generators", "resnet", {"width": 8, "blocks": 1, "norm": "batch"}),
    "unet": ("generators", "unet", {"width": 8, "depth": 3}),
    "patch": ("discriminators", "patch", {"width": 8}),
    "pixel": ("discriminators", "pixel", {"width": 8}),
    "multiscale": ("discriminators", "multiscale", {"width": 8, "layers": 1}),
}
LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
BF16 = 0.25
"""Error explained by rounding to 8 bits, which can flip a ReLU near zero. A wrong formula causes a larger one."""


def build_network(plugins: Plugins, what: str) -> nn.Module:
    kind, name, options = NETWORKS[what]
    torch.manual_seed(0)
    channels = (3, 3) if kind == "generators" else (3,)
    network: nn.Module = build(plugins.registries[kind][name], *channels, options=options)
    return network.double().train()


def gradient(network: nn.Module, images: Tensor, layout: str, call: Any = None, precision: str = "") -> Tensor:
    images = images.clone(memory_format=LAYOUTS[layout]).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        scales = [scale.double() for scale in scales_of((network if call is None else call)(images))]
    parts = torch.autograd.grad(functional(scales, LAYOUTS[layout]), [images, *network.parameters()])
    return torch.cat([part.double().flatten() for part in parts])


def noise(batch: int) -> Tensor:
    return torch.rand(batch, 3, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("what", NETWORKS)
def test_bf16_gradients_differ_by_rounding_alone(plugins: Plugins, what: str, batch: int, layout: str) -> None:
    exact = build_network(plugins, what)
    network = copy.deepcopy(exact).float().to(memory_format=LAYOUTS[layout])
    expected = gradient(exact, noise(batch), "NCHW")
    ours = gradient(network, noise(batch).float(), layout, precision="bf16")
    assert 0 < relative_difference(ours, expected) < BF16


@pytest.mark.parametrize("what", ["resnet", "patch"])
def test_compiled_gradients_agree_with_float64_in_both_layouts(plugins: Plugins, what: str) -> None:
    exact = build_network(plugins, what)
    expected = gradient(exact, noise(1), "NCHW")
    for layout in LAYOUTS:
        torch.compiler.reset()
        network = copy.deepcopy(exact).float().to(memory_format=LAYOUTS[layout])
        call = torch.compile(network, dynamic=False)
        ours = gradient(network, noise(1).float(), layout, call)
        assert 0 < relative_difference(ours, expected) < 1e-4, layout
