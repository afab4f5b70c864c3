"""The state of an optimizer as named tensors and JSON values, and back, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from cgkit.errors import CheckpointError

_GROUP = "group"
_HOW_TO_RUN = ("foreach", "fused", "capturable", "differentiable")  # fit the machine, not the training


def optimizer_tensors(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return an optimizer's state as tensors by name, and the rest of it as JSON values.

    A tensor is named after its parameter's number in the optimizer, `3.exp_avg`, or after its group, `group.0.lr`. The
    tensors are the optimizer's own, not copies.
    """
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    values = {str(number): _split(entries, tensors, f"{number}") for number, entries in state["state"].items()}
    groups = [_split(group, tensors, f"{_GROUP}.{number}") for number, group in enumerate(state["param_groups"])]
    return tensors, {"names": sorted(tensors), "values": values, "groups": groups}


def load_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Put back what `optimizer_tensors` gave, into an optimizer of the same parameters.

    Each tensor gets its parameter's device and strides: a fused Adam walks through both as they lie in memory, and is
    wrong in silence where their strides differ. So a module goes to its device and memory format before this. How the
    optimizer runs (`fused`, `foreach`, `capturable`, a learning rate kept in a tensor) stays as it is; all else
    becomes as saved.

    Raises:
        CheckpointError: The state is not one of these parameters (their number, a shape, a dtype), or lacks a tensor.
            Nothing has changed.
    """
    _check_form(tensors, state)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    own_groups = optimizer.state_dict()["param_groups"]
    if [group["params"] for group in own_groups] != [group.get("params") for group in state["groups"]]:
        raise CheckpointError("the checkpoint's optimizer has other parameters, or groups them in another way")

    entries = {_number(key, len(parameters)): dict(values) for key, values in state["values"].items()}
    groups = [dict(group) for group in state["groups"]]
    for name, tensor in tensors.items():
        key, _, entry = name.partition(".")
        if key == _GROUP:
            index, _, entry = entry.partition(".")
            groups[_number(index, len(groups))][entry] = tensor
        else:
            number = _number(key, len(parameters))
            entries.setdefault(number, {})[entry] = _placed(tensor, parameters[number], name)
    merged = [_merged(own, saved) for own, saved in zip(own_groups, groups, strict=True)]
    optimizer.load_state_dict({"state": entries, "param_groups": merged})
    _undo_casts(optimizer, parameters, entries)


def _split(entries: Mapping[str, Any], tensors: dict[str, Tensor], prefix: str) -> dict[str, Any]:
    """Move the tensors among `entries` to `tensors`; return the others."""
    tensors |= {f"{prefix}.{name}": value for name, value in entries.items() if isinstance(value, Tensor)}
    return {name: value for name, value in entries.items() if not isinstance(value, Tensor)}


def _check_form(tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    names, values, groups = (state.get(key) for key in ("names", "values", "groups"))
    if not (
        isinstance(values, dict)
        and isinstance(groups, list)
        and all(isinstance(table, dict) for table in (*values.values(), *groups))
    ):
        raise CheckpointError("the checkpoint's optimizer state is not of the form that cgkit writes")
    if names != sorted(tensors):
        raise CheckpointError("the checkpoint's optimizer tensors are not those that its state names")


def _number(text: str, count: int) -> int:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else count
    if number >= count:
        raise CheckpointError(f"the checkpoint's optimizer has a state for {text}, which is not one of {count} here")
    return number


def _placed(tensor: Tensor, parameter: Tensor, name: str) -> Tensor:
    if tensor.ndim == 0:  # a step counter or the like, for which torch has its own rules
        return tensor.clone()
    if tensor.shape != parameter.shape or tensor.dtype != parameter.dtype:
        raise CheckpointError(
            f"the optimizer's {name} is {tensor.dtype} of shape {tuple(tensor.shape)} in the checkpoint, "
            f"its parameter {parameter.dtype} of shape {tuple(parameter.shape)}"
        )
    return torch.empty_like(parameter, requires_grad=False).copy_(tensor)


def _undo_casts(optimizer: Optimizer, parameters: list[Tensor], entries: dict[int, dict[str, Any]]) -> None:
    """Put back the numbers (NAdam's `mu_product`) that torch has cast to their parameter's dtype."""
    for number, saved in entries.items():
        loaded = optimizer.state[parameters[number]]
        for name, value in saved.items():
            if name != "step" and isinstance(value, Tensor) and value.dtype != loaded[name].dtype:
                loaded[name] = value.to(loaded[name].device)


def _merged(own: dict[str, Any], saved: dict[str, Any]) -> dict[str, Any]:
    group = own | {name: _like(own.get(name), value, name) for name, value in saved.items()}
    return group | {name: own[name] for name in _HOW_TO_RUN if name in own}


def _like(own: Any, saved: Any, name: str) -> Any:
    """Return an option of a group as this optimizer holds it: as a tensor or a number, a tuple or a list."""
    if isinstance(saved, Tensor) and saved.ndim:
        raise CheckpointError(f"the checkpoint's optimizer has more than a number for {name}")
    if isinstance(own, Tensor):
        if not isinstance(saved, Tensor | int | float):
            raise CheckpointError(f"the checkpoint's optimizer has no number for {name}")
        return torch.as_tensor(saved, dtype=own.dtype, device=own.device).clone()
    if isinstance(saved, Tensor):
        return saved.item()
    return tuple(saved) if isinstance(own, tuple) and isinstance(saved, list) else saved
