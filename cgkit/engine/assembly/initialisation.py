"""The initial weights of networks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils import parametrize

from cgkit.abilities import initialises_itself, is_saved


def initialise(network: nn.Module, standard_deviation: float) -> None:
    """Initialise the weights of convolutions, linear layers, batch norms and group norms; set their biases to zero.

    Weights are drawn from a normal distribution with mean 0, the scales of norms from one with mean 1. The paper's
    standard deviation is 0.02 (section 4). Left alone are frozen weights, and modules that declare
    `initialises_itself = True` or `saved = False`, because both have read their weights.
    """
    for module in _list_drawn(network, set()):
        if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
            weight = _unparametrised_weight(module)
            if not weight.requires_grad:
                continue
            nn.init.normal_(weight, 0.0, standard_deviation)
        elif isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.GroupNorm)) and module.weight is not None:
            if not module.weight.requires_grad:
                continue
            nn.init.normal_(module.weight, 1.0, standard_deviation)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _list_drawn(module: nn.Module, seen: set[nn.Module]) -> Iterator[nn.Module]:
    """Yield a module and its submodules, once each, without those that have weights of their own."""
    if module in seen or initialises_itself(module) or not is_saved(module):
        return
    seen.add(module)
    yield module
    for child in module.children():
        yield from _list_drawn(child, seen)


def _unparametrised_weight(module: nn.Module) -> torch.Tensor:
    """Return the parameter behind a module's weight, even if the weight is parametrised (as by spectral norm)."""
    if parametrize.is_parametrized(module, "weight"):
        original: torch.Tensor = module.parametrizations.weight.original  # type: ignore[union-attr, assignment]
        return original
    weight: torch.Tensor = module.weight  # type: ignore[assignment]
    return weight
