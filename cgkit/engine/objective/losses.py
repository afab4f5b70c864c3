"""Loss values by name, in the precision that sums need."""

from __future__ import annotations

import torch
from torch import Tensor

from cgkit.errors import PluginError

Losses = dict[str, Tensor]
"""Losses by name: weighted scalars, whose sum is minimised."""


def to_float32(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return tensors in at least float32."""
    return tuple(tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor for tensor in tensors)


def check_scalars(losses: Losses) -> Losses:
    """Return the losses unchanged.

    Raises:
        PluginError: a loss is not a scalar.
    """
    for name, loss in losses.items():
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise PluginError(f"the loss {name} must be a scalar, got {shape}")
    return losses
