"""Copy the weights that fit from one network to another, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cgkit.checkpoints import saved_state

_MAX_NAMED = 4
"""The most layers that a message names."""


@dataclass(frozen=True)
class Fit:
    """What a network took from a source.

    Attributes:
        network: the name of the network, such as `generator a2b`.
        taken: the number of its tensors that were taken.
        tensors: the number of its tensors.
        share: the fraction of its weights that were taken.
        rest: the layers that were not taken, with the reason, including layers that only the source has.
    """

    network: str
    taken: int
    tensors: int
    share: float
    rest: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.rest:
            return f"{self.network}: all {self.tensors} tensors"
        more = len(self.rest) - _MAX_NAMED
        named = ", ".join(self.rest[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
        share = f" ({self.share:.0%} of the weights)" if self.taken else ""
        return f"{self.network}: {self.taken} of {self.tensors} tensors{share}; not taken: {named}"


def take(network: nn.Module, source: Mapping[str, Tensor] | None, name: str) -> Fit:
    """Copy into a network each layer whose tensors all are in the source, under the same names in the same shapes.

    Submodules that declare `saved = False` keep their weights, which a resumed run reads again from their own files.

    Args:
        network: the network to copy into.
        source: the tensors of another network by name; None if there is no such network.
        name: the name of the network, for the result.
    """
    own = saved_state(network)
    if source is None:
        return Fit(name, 0, len(own), 0.0, ("the source has none",))
    layers: dict[str, list[str]] = {}
    for key in own:
        layers.setdefault(_layer(key), []).append(key)
    differences = {layer: _compare(keys, own, source) for layer, keys in layers.items()}
    taken = [key for layer, keys in layers.items() if not differences[layer] for key in keys]
    with torch.no_grad():
        for key in taken:
            own[key].copy_(source[key])
    rest = [f"{layer} ({reason})" for layer, reason in differences.items() if reason]
    known = {_layer(key) for key in network.state_dict()}
    extra = dict.fromkeys(layer for layer in map(_layer, source) if layer not in known)
    weights = sum(tensor.numel() for tensor in own.values())
    share = sum(own[key].numel() for key in taken) / max(1, weights)
    return Fit(name, len(taken), len(own), share, (*rest, *(f"{layer} (only in the source)" for layer in extra)))


def _compare(keys: list[str], own: Mapping[str, Tensor], source: Mapping[str, Tensor]) -> str:
    """Return why a layer cannot be taken; empty if it can."""
    for key in keys:
        if key not in source:
            return "not in the source"
        if source[key].shape != own[key].shape:
            return f"{_format(source[key])} in the source, {_format(own[key])} here"
    return ""


def _layer(key: str) -> str:
    """Return the layer that a tensor belongs to; the parts of a parametrised weight belong to the same layer."""
    layer, parametrised, _ = key.partition(".parametrizations.")
    return layer if parametrised else key.rpartition(".")[0] or key


def _format(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
