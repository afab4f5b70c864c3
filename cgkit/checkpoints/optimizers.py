"""Convert the state of an optimizer to named tensors and JSON values, and restore it bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from cgkit.errors import CheckpointError

_KEPT = ("params", "foreach", "fused", "capturable", "differentiable")  # not restored: they depend on the machine


def optimizer_tensors(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the state of an optimizer: its tensors by name, and everything else as JSON values.

    The name of a tensor begins with the index of its parameter in the optimizer, as in `3.exp_avg`. The tensors are
    the optimizer's own, not copies. Among the JSON values, `shaped` lists those with the shape of their parameter.
    """
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    values: dict[str, dict[str, Any]] = {}
    for number, entries in state["state"].items():
        tensors |= {f"{number}.{name}": value for name, value in entries.items() if isinstance(value, Tensor)}
        values[str(number)] = {name: value for name, value in entries.items() if not isinstance(value, Tensor)}
    groups = [
        {name: value.item() if isinstance(value, Tensor) else value for name, value in group.items()}
        for group in state["param_groups"]
    ]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    shaped = [key for key, value in tensors.items() if value.shape == parameters[int(key.partition(".")[0])].shape]
    return tensors, {"names": sorted(tensors), "shaped": sorted(shaped), "values": values, "groups": groups}


def load_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Restore the state that `optimizer_tensors` returned, in an optimizer with the same parameters.

    Each tensor gets the device and strides of its parameter, since fused Adam reads both in memory order and silently
    computes wrong results if their strides differ. Therefore, move the module to its device and memory format first.
    The optimizer keeps its own `fused`, `foreach` and `capturable`, and a learning rate that is a tensor remains one.

    Raises:
        CheckpointError: The state is incomplete, or does not match the parameters in number, shape or dtype. The
            optimizer is unchanged.
    """
    entries, groups = _join(tensors, state)
    owners = [(parameter, group) for group in optimizer.param_groups for parameter in group["params"]]
    parameters = {str(number): owner for number, owner in enumerate(owners)}
    members = [group["params"] for group in optimizer.state_dict()["param_groups"]]
    if not entries.keys() <= parameters.keys() or [group.get("params") for group in groups] != members:
        raise CheckpointError("the optimizer in the checkpoint has different parameters or parameter groups")
    shaped = set(state.get("shaped", tensors))
    restored = {
        parameters[number][0]: {
            name: _place(value, *parameters[number], name, shaped=f"{number}.{name}" in shaped)
            for name, value in table.items()
        }
        for number, table in entries.items()
    }
    options = [
        {name: _convert(value, own.get(name), name) for name, value in saved.items() if name not in _KEPT}
        for own, saved in zip(optimizer.param_groups, groups, strict=True)
    ]
    # Do not use `load_state_dict`, which casts scalars such as NAdam's mu_product to the dtype of their parameter.
    optimizer.state.clear()
    optimizer.state.update(restored)
    for group, values in zip(optimizer.param_groups, options, strict=True):
        group.update(values)


def _join(tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], list[Any]]:
    """Return the state of each parameter, by the parameter's index, and the parameter groups."""
    values, groups = state.get("values"), state.get("groups")
    if not (
        isinstance(values, dict)
        and isinstance(groups, list)
        and all(isinstance(table, dict) for table in (*values.values(), *groups))
        and state.get("names") == sorted(tensors)
    ):
        raise CheckpointError("the optimizer state in the checkpoint is incomplete or malformed")
    entries = {number: dict(table) for number, table in values.items()}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        entries.setdefault(number, {})[name] = tensor
    return entries, groups


def _place(value: Any, parameter: Tensor, group: Mapping[str, Any], name: str, *, shaped: bool) -> Any:
    """Return a part of the state of a parameter on its device; `shaped` says whether it had the parameter's shape."""
    if not isinstance(value, Tensor):
        return value
    if value.ndim == 0 and name == "step":  # as in torch, stays on the CPU unless fused or capturable
        on_device = group.get("fused") or group.get("capturable")
        return value.to(parameter.device, torch.float32, copy=True) if on_device else value.clone()
    if value.ndim == 0 or not shaped:  # such as the factors of a matrix of moments
        return value.to(parameter.device, copy=True)
    if value.shape != parameter.shape or value.dtype != parameter.dtype:
        raise CheckpointError(
            f"{name} in the checkpoint's optimizer is {value.dtype} of shape {tuple(value.shape)}, "
            f"but its parameter is {parameter.dtype} of shape {tuple(parameter.shape)}"
        )
    return torch.empty_like(parameter, requires_grad=False).copy_(value)


def _convert(value: Any, own: Any, name: str) -> Any:
    """Return a group's saved option, converted to a tensor or a tuple if the optimizer's own value is one."""
    if not isinstance(own, Tensor):
        if not _is_alike(value, own):
            raise CheckpointError(f"the value of {name} in the checkpoint's optimizer is {value!r}, unlike {own!r}")
        return tuple(value) if isinstance(own, tuple) and isinstance(value, list) else value
    if not isinstance(value, int | float):
        raise CheckpointError(f"the value of {name} in the checkpoint's optimizer is not a number")
    return torch.full_like(own, value)


def _is_alike(value: Any, own: Any) -> bool:
    """Return whether a saved option is of the kind of the optimizer's own: a number, a flag, a text, or several."""
    if isinstance(own, tuple | list):
        alike = isinstance(value, tuple | list) and len(value) == len(own)
        return alike and all(map(_is_alike, value, own))
    if isinstance(own, bool | str):
        return type(value) is type(own)
    return not isinstance(own, int | float) or (isinstance(value, int | float) and not isinstance(value, bool))
