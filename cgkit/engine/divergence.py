"""Detect losses and gradients that are not finite, one step late, so that no step waits for the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cgkit.engine.objective import Losses
from cgkit.errors import DivergedError


class Flag:
    """A boolean that is being copied from the device; converting it with `bool` waits for the copy."""

    def __init__(self, value: Tensor) -> None:
        self._value = value.to("cpu", non_blocking=True)
        self._arrived = torch.cuda.Event() if value.is_cuda else None  # type: ignore[no-untyped-call]
        if self._arrived is not None:
            self._arrived.record()

    def __bool__(self) -> bool:
        if self._arrived is not None:
            self._arrived.synchronize()
        return bool(self._value)


@dataclass(frozen=True)
class PendingStep:
    """A step that the device skips if a loss or gradient is not finite; the host does not know yet whether it did.

    Attributes:
        number: the number of the step, from 1.
        losses: the losses of the step.
        images: the names of the images in the step's batches.
        pools: the number of images in each image pool before the step.
        finite: whether all losses and gradients were finite.
    """

    number: int
    losses: Losses
    images: Sequence[str]
    pools: Mapping[str, int]
    finite: Flag

    def error(self) -> DivergedError:
        """Return the error to raise if the step was not finite; the error names the non-finite losses."""
        bad = [f"{name} = {float(loss)}" for name, loss in self.losses.items() if not torch.isfinite(loss)]
        what = ", ".join(bad) or "a gradient (every loss is finite)"
        return DivergedError(
            f"not finite at step {self.number}: {what}; the step was not applied; the images were "
            + ", ".join(self.images),
            hint="lower train.learning_rate and continue with --change train.learning_rate, or in the same way set "
            'train.clip_gradients = 1.0 or train.precision = "fp32"',
        )
