"""The published learning-rate schedule."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le


class ConstantThenLinear:
    """Full learning rate, then linear decay towards zero: the published schedule (Zhu et al., 2017).

    The published code keeps the full rate for 100 epochs and lowers it over another 100, by 1/101 of the full rate
    per epoch, so that the rate is still above zero in the last epoch.

    Args:
        constant: the fraction of the run at the full rate.
        by: whether the rate decays with every "step" or, as published, with every "epoch".
    """

    def __init__(
        self, *, constant: Annotated[float, Ge(0), Le(1)] = 0.5, by: Literal["step", "epoch"] = "step"
    ) -> None:
        self.constant = constant
        self.by = by

    def __call__(self, step: int, steps: int, epoch_steps: int, /) -> float:
        """Return the factor for the 0-based `step` of `steps`.

        If the rate decays by epoch, an incomplete last epoch counts as a full one.
        """
        unit = 1 if self.by == "step" else epoch_steps
        units = -(-steps // unit)
        constant = round(self.constant * units)
        decayed = max(0, step // unit + 1 - constant)
        return max(0.0, 1 - decayed / (units - constant + 1))
