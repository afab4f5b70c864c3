"""The published schedule of the learning rate."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le


class ConstantThenLinear:
    """The full rate for a while, then linearly to zero: the published schedule.

    Zhu et al., 2017: 100 epochs at the full rate, then 100 in which it falls, as in the published code: by 1/101 of it
    with each epoch, so that the last epoch still learns.

    Args:
        constant: the share of the run that has the full rate.
        by: whether the rate falls with every step or, as published, with every epoch.
    """

    def __init__(
        self, *, constant: Annotated[float, Ge(0), Le(1)] = 0.5, by: Literal["step", "epoch"] = "step"
    ) -> None:
        self.constant = constant
        self.by = by

    def __call__(self, step: int, steps: int, epoch_steps: int, /) -> float:
        """Return the factor for the 0-based `step` of `steps`; a last epoch that is cut short counts as one."""
        unit = 1 if self.by == "step" else epoch_steps
        units = -(-steps // unit)
        constant = round(self.constant * units)
        fallen = max(0, step // unit + 1 - constant)
        return max(0.0, 1 - fallen / (units - constant + 1))
