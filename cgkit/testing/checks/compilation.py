"""The check that torch.compile works with a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cgkit.testing.check import NETWORKS, check
from cgkit.testing.subject import Subject, functional, relative_difference, scales_of


@check(*NETWORKS)
def compiles(subject: Subject) -> None:
    """torch.compile can trace the network, and changes neither its output nor its gradient.

    The backend is `aot_eager`, which tests tracing without needing a C++ compiler.
    """
    network, images = subject.network(), subject.images()
    torch.compiler.reset()
    try:
        expected, expected_gradient = _forward_and_backward(network, images)
        compiled = torch.compile(network, backend="aot_eager", dynamic=False)
        outputs, gradient = _forward_and_backward(compiled, images)
    finally:
        torch.compiler.reset()
    difference = max(float((output - other).abs().max()) for output, other in zip(outputs, expected, strict=True))
    assert difference < 1e-3, f"compiling changes its output by {difference:.2g}"
    difference = relative_difference(gradient, expected_gradient)
    assert difference < 1e-3, f"compiling changes its gradient by {difference:.2g} (relative)"


def _forward_and_backward(network: Callable[[Tensor], Any], images: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return a network's outputs, and the gradient with respect to the images."""
    images = images.clone().requires_grad_()
    outputs = scales_of(network(images))
    (gradient,) = torch.autograd.grad(functional(outputs), images)
    return [output.detach() for output in outputs], gradient
