"""A warm-up before any other schedule."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge

from cgkit.contracts import Schedule


class WarmUp:
    """Raises the learning rate linearly from almost 0, then follows another schedule.

    The other schedule is not delayed: after the warm-up, its factor is what it would have been without one.

    Args:
        steps: the number of steps of the warm-up; the factor of step n, from 0, is multiplied by (n + 1) / steps.
        then: the other schedule; by default, the learning rate stays constant after the warm-up.
    """

    def __init__(self, *, then: Schedule | None = None, steps: Annotated[int, Ge(1)] = 500) -> None:
        self._then = then
        self._steps = steps

    def __call__(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the factor at `step`."""
        factor = 1.0 if self._then is None else self._then(step, steps, epoch_steps)
        return min(1.0, (step + 1) / self._steps) * factor
