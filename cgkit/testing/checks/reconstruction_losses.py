"""Checks of reconstruction losses."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from cgkit.testing.check import check
from cgkit.testing.subject import Subject, relative_difference

SHAPES = ((1, 3, 32, 32), (2, 1, 32, 48))


def pairs() -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield named pairs of image batches."""
    for shape in SHAPES:
        random = torch.Generator().manual_seed(0)
        first, second = (torch.rand(shape, generator=random) * 2 - 1 for _ in range(2))
        yield "noise", first, second
        yield "equal noise", first, first.clone()
        yield "black and white", -torch.ones(shape), torch.ones(shape)
        yield "equal grey", torch.zeros(shape), torch.zeros(shape)
        yield "a constant and noise", torch.full(shape, 0.3), second


@check("reconstruction_losses")
def distances_are_scalars(subject: Subject) -> None:
    """A distance is a scalar, for batches of any shape."""
    distance = subject.build()
    for name, first, second in pairs():
        value = distance(first, second)
        assert isinstance(value, Tensor), f"the distance of {name} is a {type(value).__name__}; expected a tensor"
        assert value.numel() == 1, f"the distance of {name} has shape {tuple(value.shape)}; expected a scalar"


@check("reconstruction_losses")
def distances_stay_finite(subject: Subject) -> None:
    """Distances and their gradients are finite, even between equal images."""
    distance = subject.build()
    for name, first, second in pairs():
        first = first.clone().requires_grad_()
        value = distance(first, second)
        assert bool(torch.isfinite(value).all()), f"the distance of {name} is not finite"
        (gradient,) = torch.autograd.grad(value.sum(), first, allow_unused=True, materialize_grads=True)
        assert bool(torch.isfinite(gradient).all()), f"the gradient of the distance of {name} is not finite"


@check("reconstruction_losses")
def equal_images_are_nearest(subject: Subject) -> None:
    """The distance between equal images is zero, and the distance between different images is greater."""
    distance = subject.build()
    for name, first, second in pairs():
        value = float(distance(first, second).sum().detach())
        if name.startswith("equal"):
            # Some tolerance: a smoothed absolute difference is slightly above zero even for equal images.
            assert abs(value) < 2e-3, f"the distance of {name} is {value:.3g}; expected 0"
        elif name == "noise":
            equal = float(distance(first, first).sum().detach())
            assert value > equal + 1e-3, f"the distance of {name} is {value:.3g}, not greater than that of equal images"


@check("reconstruction_losses")
def distances_agree_with_float64(subject: Subject) -> None:
    """The gradient in float32 matches the gradient in float64."""
    single, double = subject.build(), subject.build()
    if isinstance(double, torch.nn.Module):
        double = double.double()
    for name, first, second in pairs():
        if name != "noise":
            continue
        gradients: list[Tensor] = []
        for distance, dtype in ((single, torch.float32), (double, torch.float64)):
            images = first.to(dtype).requires_grad_()
            gradients += torch.autograd.grad(distance(images, second.to(dtype)).sum(), images)
        difference = relative_difference(*gradients)
        assert difference < 1e-2, f"the gradient in float32 differs from float64 by {difference:.2g} (relative)"
