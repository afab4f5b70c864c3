"""Checks of the gradients of networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cgkit.data.randomness import seeded
from cgkit.testing.check import NETWORKS, check
from cgkit.testing.subject import Subject, functional, relative_difference

LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
FLOAT32 = 2e-2
FLOAT64 = 1e-6
"""By dtype, the largest relative difference from the gradient in float64 that rounding can explain."""


@check(*NETWORKS)
def gradients_reach_every_parameter(subject: Subject) -> None:
    """Every parameter has a finite, nonzero gradient, so that every parameter is trained."""
    network = subject.network().train()
    _fill_zero_parameters(network)
    with seeded(0):
        torch.autograd.backward(functional(network(subject.images(2))))
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        assert parameter.grad is not None, f"no gradient reaches {name}: the output does not depend on it"
        assert torch.isfinite(parameter.grad).all(), f"the gradient of {name} is not finite"
        assert parameter.grad.any(), f"the gradient of {name} is zero: it has no effect"


@check(*NETWORKS)
def gradients_agree_with_float64(subject: Subject) -> None:
    """Gradients match those in float64, both in NCHW and in channels_last, for batches of one and of two images.

    (`torch.nn.InstanceNorm2d` silently computes wrong gradients for a single image if the incoming gradient is in
    channels_last.)
    """
    reference = subject.network(dtype=torch.float64)
    _fill_zero_parameters(reference)
    for batch in (1, 2):
        expected = _compute_gradient(reference, subject.images(batch, dtype=torch.float64), "NCHW")
        for dtype, limit in ((torch.float64, FLOAT64), (torch.float32, FLOAT32)):
            for layout in LAYOUTS:
                # Not a copy: networks with torch.nn.utils.spectral_norm cannot be copied after a backward pass.
                network = subject.network(dtype=dtype)
                network.load_state_dict(reference.state_dict())
                actual = _compute_gradient(network, subject.images(batch, dtype=dtype), layout)
                difference = relative_difference(actual, expected)
                assert difference < limit, (
                    f"in {layout}, batch {batch}, {str(dtype).removeprefix('torch.')}: the gradient differs from"
                    f" float64 by {difference:.2g} (relative)"
                )


def _compute_gradient(network: nn.Module, images: Tensor, layout: str) -> Tensor:
    memory_format = LAYOUTS[layout]
    network.to(memory_format=memory_format)
    images = images.detach().clone(memory_format=memory_format).requires_grad_()
    inputs = [images, *(parameter for parameter in network.parameters() if parameter.requires_grad)]
    with seeded(0):
        value = functional(network(images), memory_format)
    gradients = torch.autograd.grad(value, inputs, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in gradients])


def _fill_zero_parameters(network: nn.Module) -> None:
    """Replace parameters that are initialised to zero, because they would make other gradients zero."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad and not parameter.any():
                parameter.fill_(0.1)
