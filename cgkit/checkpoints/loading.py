"""Putting saved tensors into a module only where every name, shape and dtype is the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from cgkit.errors import CheckpointError

_SHOWN = 3  # differences of a kind that a message names


def load_strictly(target: nn.Module | Mapping[str, Tensor], tensors: Mapping[str, Tensor], *, what: str) -> None:
    """Copy saved tensors into a module, or into tensors by name, all or nothing.

    `nn.Module.load_state_dict` casts float64, int8 and complex numbers in silence; here that is an error. Devices and
    strides (channels_last) stay those of the target.

    Args:
        target: What they are copied into.
        tensors: What was saved, by the names of `state_dict()`.
        what: What the target is called in an error: "model", "ema" ...

    Raises:
        CheckpointError: Names, shapes or dtypes differ. Nothing has been copied.
    """
    if isinstance(target, nn.Module):
        own = target.state_dict()
        _check(own, tensors, what)
        own.update(tensors)  # into the module's own dictionary, since it carries the versions of its parts
        target.load_state_dict(own)
    else:
        _check(target, tensors, what)
        with torch.no_grad():
            for name, tensor in tensors.items():
                target[name].copy_(tensor)


def _check(own: Mapping[str, Tensor], saved: Mapping[str, Tensor], what: str) -> None:
    if found := _differences(own, saved):
        raise CheckpointError(f"{what} is not what the checkpoint holds: " + "; ".join(found))


def _differences(own: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> list[str]:
    shared = [name for name in own if name in saved and isinstance(own[name], Tensor)]
    shapes = [
        f"{name} is {_shape(saved[name])} in the checkpoint, {_shape(own[name])} here"
        for name in shared
        if _shape(saved[name]) != _shape(own[name])
    ]
    dtypes = [
        f"{name} is {_dtype(saved[name])} in the checkpoint, {_dtype(own[name])} here"
        for name in shared
        if _dtype(saved[name]) != _dtype(own[name])
    ]
    kinds = {
        "missing in the checkpoint": [name for name in own if name not in saved],
        "unknown here": [name for name in saved if name not in own],
        "not tensors here": [name for name in own if not isinstance(own[name], Tensor)],
        "of another shape": shapes,
        "of another dtype": dtypes,
    }
    return [f"{kind}: {_some(names)}" for kind, names in kinds.items() if names]


def _some(names: Iterable[str]) -> str:
    every = list(names)
    rest = len(every) - _SHOWN
    return ", ".join(every[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a single number"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
