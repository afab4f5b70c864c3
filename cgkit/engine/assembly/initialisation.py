"""The initial weights of networks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils import parametrize

from cgkit.abilities import initialises_itself


def initialise(network: nn.Module, standard_deviation: float) -> None:
    """Initialise the weights of convolutions, linear layers, batch norms and group norms; set their biases to zero.

    Weights are drawn from a normal distribution with mean 0, the scales of norms from one with mean 1. The paper's
    standard deviation is 0.02 (section 4). Modules that declare `initialises_itself = True` are left alone.
    """
    for module in _list_drawn(network, set()):
        if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
            nn.init.normal_(_unparametrised_weight(module), 0.0, standard_deviation)
        elif isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.GroupNorm)) and module.weight is not None:
            nn.init.normal_(module.weight, 1.0, standard_deviation)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _list_drawn(module: nn.Module, seen: set[nn.Module]) -> Iterator[nn.Module]:
    """Yield a module and its submodules, once each, without those that initialise themselves."""
    if module in seen or initialises_itself(module):
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
