"""What is asked of networks' gradients."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from cgkit.testing.check import NETWORKS, check
from cgkit.testing.subject import Subject, functional, relative_difference

LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
FLOAT32 = 2e-2
FLOAT64 = 1e-6
"""Relative differences to the gradient in float64 that rounding explains."""


@check(*NETWORKS)
def gradients_reach_every_parameter(subject: Subject) -> None:
    """Every parameter has a gradient that is finite and not zero: none is left out, none is without effect."""
    network = subject.network().train()
    _undo_zeros(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.autograd.backward(functional(network(subject.images(2))))
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        assert parameter.grad is not None, f"no gradient reaches {name}: the output does not depend on it"
        assert torch.isfinite(parameter.grad).all(), f"the gradient of {name} is not finite"
        assert parameter.grad.any(), f"the gradient of {name} is zero: it has no effect"


@check(*NETWORKS)
def gradients_agree_with_float64(subject: Subject) -> None:
    """Gradients are those of float64, in NCHW and channels_last, for one image and for two.

    (`torch.nn.InstanceNorm2d` computes wrong ones in silence, for one image whose gradient arrives in channels_last.)
    """
    reference = subject.network(dtype=torch.float64)
    _undo_zeros(reference)
    for batch in (1, 2):
        exact = _gradient(reference, subject.images(batch, dtype=torch.float64), "NCHW")
        for dtype, limit in ((torch.float64, FLOAT64), (torch.float32, FLOAT32)):
            for layout in LAYOUTS:
                network = copy.deepcopy(reference).to(dtype)
                ours = _gradient(network, subject.images(batch, dtype=dtype), layout)
                difference = relative_difference(ours, exact)
                assert difference < limit, (
                    f"in {layout}, batch {batch}, {str(dtype).removeprefix('torch.')}: the gradient differs from that"
                    f" of float64 by {difference:.2g} of its length"
                )


def _gradient(network: nn.Module, images: Tensor, layout: str) -> Tensor:
    memory_format = LAYOUTS[layout]
    network.to(memory_format=memory_format)
    images = images.detach().clone(memory_format=memory_format).requires_grad_()
    inputs = [images, *(one for one in network.parameters() if one.requires_grad)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = functional(network(images), memory_format)
    parts = torch.autograd.grad(made, inputs, materialize_grads=True)
    return torch.cat([part.flatten() for part in parts])


def _undo_zeros(network: nn.Module) -> None:
    """Give effect to branches that begin at zero, so that their gradients are looked at too."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad and not parameter.any():
                parameter.fill_(0.1)
