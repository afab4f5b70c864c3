"""What is asked of reconstruction losses."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from cgkit.testing.check import check
from cgkit.testing.subject import Subject, relative_difference

SHAPES = ((1, 3, 32, 32), (2, 1, 32, 48))


def pairs() -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield pairs of image batches, and what they are called."""
    for shape in SHAPES:
        draws = torch.Generator().manual_seed(0)
        one, other = (torch.rand(shape, generator=draws) * 2 - 1 for _ in range(2))
        yield "noise", one, other
        yield "equal noise", one, one.clone()
        yield "black and white", -torch.ones(shape), torch.ones(shape)
        yield "equal grey", torch.zeros(shape), torch.zeros(shape)
        yield "a constant and noise", torch.full(shape, 0.3), other


@check("reconstruction_losses")
def distances_are_scalars(subject: Subject) -> None:
    """A distance is a scalar, for batches of any shape."""
    distance = subject.build()
    for what, one, other in pairs():
        made = distance(one, other)
        assert isinstance(made, Tensor), f"the distance of {what} is a {type(made).__name__}, no tensor"
        assert made.numel() == 1, f"the distance of {what} has shape {tuple(made.shape)}, where a scalar is expected"


@check("reconstruction_losses")
def distances_stay_finite(subject: Subject) -> None:
    """Distances and their gradients are finite, between equal images too."""
    distance = subject.build()
    for what, one, other in pairs():
        one = one.clone().requires_grad_()
        made = distance(one, other)
        assert bool(torch.isfinite(made).all()), f"the distance of {what} is not finite"
        (gradient,) = torch.autograd.grad(made.sum(), one, allow_unused=True, materialize_grads=True)
        assert bool(torch.isfinite(gradient).all()), f"the gradient of the distance of {what} is not finite"


@check("reconstruction_losses")
def equal_images_are_nearest(subject: Subject) -> None:
    """The distance of equal images is zero, that of others is more."""
    distance = subject.build()
    for what, one, other in pairs():
        made = float(distance(one, other).sum())
        if what.startswith("equal"):
            # A smooth absolute difference is a little above zero there.
            assert abs(made) < 2e-3, f"the distance of {what} is {made:.3g}, where 0 is expected"
        elif what == "noise":
            equal = float(distance(one, one).sum())
            assert made > equal + 1e-3, f"the distance of {what} is {made:.3g}, no more than that of equal images"


@check("reconstruction_losses")
def distances_agree_with_float64(subject: Subject) -> None:
    """The gradient in float32 is that in float64."""
    single, double = subject.build(), subject.build()
    if isinstance(double, torch.nn.Module):
        double = double.double()
    for what, one, other in pairs():
        if what != "noise":
            continue
        gradients: list[Tensor] = []
        for distance, dtype in ((single, torch.float32), (double, torch.float64)):
            start = one.to(dtype).requires_grad_()
            gradients += torch.autograd.grad(distance(start, other.to(dtype)).sum(), start)
        difference = relative_difference(*gradients)
        assert difference < 1e-2, f"the gradient differs from that of float64 by {difference:.2g} of its length"
