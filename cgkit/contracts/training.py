"""The contracts of optimisers and of schedules."""

from __future__ import annotations

from typing import Any, Protocol


class Optimizer(Protocol):
    """A `torch.optim.Optimizer` built as `(parameters, learning_rate, *, options)`.

    `parameters` is the list of parameters of both generators, or of both discriminators. cgkit multiplies the learning
    rate of each parameter group by the factor of the schedule. The state must consist of tensors and JSON values.

    An optimiser of torch with `fused=True` skips a step whose gradients are not finite on the device itself. Any other
    is waited for in every step, and a run with it does not become a CUDA graph.
    """

    def step(self) -> Any:
        """Update the parameters by their gradients."""


class Schedule(Protocol):
    """Built as `(*, options)`: a function that returns the factor of the learning rate at each step."""

    def __call__(self, step: int, steps: int, epoch_steps: int, /) -> float:
        """Return the factor at `step`, from 0 to `steps` - 1, of a run with `epoch_steps` steps per epoch."""
