"""Gradients of every network in float64: equal in every memory layout, and to finite differences."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from cgkit.components.adversarial_losses.wasserstein import WassersteinLoss
from cgkit.components.discriminators.multiscale import MultiscaleDiscriminator
from cgkit.components.discriminators.patch import PatchDiscriminator
from cgkit.components.discriminators.pixel import PixelDiscriminator
from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.components.generators.unet import UnetGenerator

LAYOUTS = (torch.contiguous_format, torch.channels_last)
NORMS = (
    {"norm": "instance"},
    {"norm": "instance", "affine": True},
    {"norm": "batch", "affine": True},
    {"norm": "none"},
)

GENERATORS = {
    f"{name} {options}": (lambda network=network, options=options: network(3, 2, width=4, **options))
    for network, name, options in [
        *((ResnetGenerator, "resnet", {"blocks": 2, **norm}) for norm in NORMS),
        (ResnetGenerator, "resnet", {"blocks": 1, "upsample": "resize"}),
        (ResnetGenerator, "resnet", {"blocks": 0, "downsamplings": 0}),
        *((UnetGenerator, "unet", {"depth": 4, **norm}) for norm in NORMS),
        (UnetGenerator, "unet", {"depth": 1}),
    ]
}
DISCRIMINATORS = {
    f"{name} {options}": (lambda network=network, options=options: network(3, width=4, **options))
    for network, name, options in [
        *((PatchDiscriminator, "patch", {"layers": 2, **norm}) for norm in NORMS),
        (PatchDiscriminator, "patch", {"layers": 1, "spectral_norm": True}),
        (PixelDiscriminator, "pixel", {}),
        (MultiscaleDiscriminator, "multiscale", {"layers": 1, "scales": 2}),
    ]
}
NETWORKS = GENERATORS | DISCRIMINATORS


def build(name, batch, size=(16, 32)):
    """Return a network in float64 and images for it."""
    torch.manual_seed(0)
    network = NETWORKS[name]().double()
    if "spectral" in name:
        network.eval()  # in training mode every call updates its estimate of the norm
    return network, torch.rand(batch, 3, *size, dtype=torch.float64) * 2 - 1


def functional(network, images, layout=torch.contiguous_format):
    """Return a random linear functional of a network's outputs, whose gradient arrives in `layout`."""
    outputs = network(images)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    random = torch.Generator().manual_seed(1)
    weights = [torch.randn(out.shape, dtype=out.dtype, generator=random).to(memory_format=layout) for out in outputs]
    return sum((output * weight).sum() for output, weight in zip(outputs, weights, strict=True))


def penalty(network, images, layout=torch.contiguous_format):
    """Return a gradient penalty, whose gradient tests second derivatives."""
    torch.manual_seed(2)
    return WassersteinLoss().penalty(network, images, images.flip(-1).to(memory_format=layout))


def gradients(function, network, images, layouts):
    parameter_layout, image_layout, gradient_layout = layouts
    network.to(memory_format=parameter_layout)
    images = images.detach().clone(memory_format=image_layout).requires_grad_()
    inputs = list(network.parameters()) + ([images] if function is functional else [])
    return torch.autograd.grad(function(network, images, gradient_layout), inputs, materialize_grads=True)


def slope(function, network, images, directions, step=1e-6):
    """Return the derivative along a direction by central differences, so small that few activations change sign."""
    values = []
    tensors = [*network.parameters(), images][: len(directions)]
    with torch.no_grad():
        for distance in (step, -2 * step):
            for tensor, direction in zip(tensors, directions, strict=True):
                tensor += distance * direction
            with torch.enable_grad():
                values.append(float(function(network, images).detach()))
    return (values[0] - values[1]) / (2 * step)


CASES = [(functional, name) for name in NETWORKS] + [(penalty, name) for name in DISCRIMINATORS]


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("function", "name"), CASES)
def test_gradients_are_equal_in_every_layout(function, name, batch):
    network, images = build(name, batch)
    reference, *others = (gradients(function, network, images, layouts) for layouts in product(LAYOUTS, repeat=3))
    for other in others:
        for expected, gradient in zip(reference, other, strict=True):
            assert float((gradient - expected).norm()) <= 1e-10 * float(expected.norm())


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("function", "name"), CASES)
def test_gradients_agree_with_finite_differences(function, name, batch):
    network, images = build(name, batch)
    exact = gradients(function, network, images, (torch.contiguous_format,) * 3)
    directions = [torch.randn_like(gradient) * gradient.norm() / gradient.numel() ** 0.5 for gradient in exact]
    expected = sum(float((gradient * direction).sum()) for gradient, direction in zip(exact, directions, strict=True))
    size = sum(float(direction.square().sum()) for direction in directions) ** 0.5
    directions = [direction / size for direction in directions]
    assert slope(function, network, images, directions) == pytest.approx(expected / size, rel=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_has_a_gradient(name):
    network, images = build(name, 2)
    for parameter, gradient in zip(
        network.parameters(), gradients(functional, network, images, (torch.contiguous_format,) * 3), strict=False
    ):
        assert gradient.shape == parameter.shape
        assert float(gradient.abs().max()) > 1e-6
