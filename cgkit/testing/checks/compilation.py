"""What is asked for the sake of torch.compile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cgkit.testing.check import NETWORKS, check
from cgkit.testing.subject import Subject, functional, relative_difference, scales_of


@check(*NETWORKS)
def compiles(subject: Subject) -> None:
    """torch.compile traces it, and what comes out is the same, the gradient too.

    The backend is `aot_eager`, which needs no C++ compiler: what is tried is the tracing.
    """
    network, images = subject.network(), subject.images()
    torch.compiler.reset()
    try:
        expected, expected_gradient = _used(network, images)
        made, gradient = _used(torch.compile(network, backend="aot_eager", dynamic=False), images)
    finally:
        torch.compiler.reset()
    difference = max(float((one - other).abs().max()) for one, other in zip(made, expected, strict=True))
    assert difference < 1e-3, f"compiled, it makes something else: it differs by {difference:.2g}"
    difference = relative_difference(gradient, expected_gradient)
    assert difference < 1e-3, f"compiled, its gradient is another: it differs by {difference:.2g} of its length"


def _used(network: Callable[[Tensor], Any], images: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return what a network makes of images, and its gradient with respect to them."""
    images = images.clone().requires_grad_()
    made = scales_of(network(images))
    (gradient,) = torch.autograd.grad(functional(made), images)
    return [one.detach() for one in made], gradient
