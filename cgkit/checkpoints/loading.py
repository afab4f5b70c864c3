"""Load saved tensors only if every name, shape and dtype matches."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cgkit.abilities import is_saved
from cgkit.errors import CheckpointError

_MAX_NAMED = 3  # the most differences of one kind that a message lists


def saved_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a module by name, without those of submodules that declare `saved = False`."""
    left_out = _list_left_out(module)
    return {name: tensor for name, tensor in module.state_dict().items() if not name.startswith(left_out)}


def left_out_digest(module: nn.Module) -> str | None:
    """Return a digest of the tensors that `saved_state` leaves out; None if there are none."""
    left_out = _list_left_out(module)
    if not left_out:
        return None
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        if name.startswith(left_out):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def load_saved_state(module: nn.Module, tensors: Mapping[str, Tensor], digest: str | None, *, what: str) -> None:
    """Copy the result of `saved_state` into a module, all or nothing; see `load_strictly`.

    Args:
        module: The module to load into.
        tensors: The saved tensors.
        digest: The result of `left_out_digest` when they were saved.
        what: The name of the module in error messages.

    Raises:
        CheckpointError: Names, shapes or dtypes differ, or the tensors that were left out are others now.
    """
    if digest != left_out_digest(module):
        raise CheckpointError(
            f"{what}: the frozen weights are not those with which the run was started",
            hint="restore the files that the spec's paths name",
        )
    load_strictly(saved_state(module), tensors, what=what)


def _list_left_out(module: nn.Module) -> tuple[str, ...]:
    return tuple(f"{name}." for name, part in module.named_modules() if name and not is_saved(part))


def load_strictly(target: nn.Module | Mapping[str, Tensor], tensors: Mapping[str, Tensor], *, what: str) -> None:
    """Copy saved tensors into a module, or into named tensors, all or nothing.

    `nn.Module.load_state_dict` silently casts tensors to the target's dtype; here a different dtype is an error. The
    target keeps its devices and strides, such as those of channels_last.

    Args:
        target: The module or tensors to load into.
        tensors: The saved tensors, named as in `state_dict()`.
        what: The name of the target in error messages, such as "model" or "ema".

    Raises:
        CheckpointError: Names, shapes or dtypes differ; nothing has been copied.
    """
    own = target.state_dict() if isinstance(target, nn.Module) else target
    if differences := _compare(own, tensors):
        raise CheckpointError(f"{what}: the saved tensors do not match: " + "; ".join(differences))
    if isinstance(target, nn.Module):
        state = target.state_dict()
        state.update(tensors)  # update the module's own dictionary, since it records the submodules' versions
        target.load_state_dict(state)
    else:
        with torch.no_grad():
            for name, tensor in tensors.items():
                target[name].copy_(tensor)


def _compare(own: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> list[str]:
    shared = [name for name in own if name in saved and isinstance(own[name], Tensor)]
    described = [(name, _describe(saved[name]), _describe(own[name])) for name in shared]
    kinds = {
        "missing": [name for name in own if name not in saved],
        "unexpected": [name for name in saved if name not in own],
        "not a tensor here": [name for name in own if not isinstance(own[name], Tensor)],
        "different": [f"{name} is {there}, expected {here}" for name, there, here in described if there != here],
    }
    return [f"{kind}: {_abbreviate(names)}" for kind, names in kinds.items() if names]


def _abbreviate(names: list[str]) -> str:
    rest = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"
