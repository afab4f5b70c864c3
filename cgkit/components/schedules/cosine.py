"""Cosine decay of the learning rate."""

from __future__ import annotations

import math
from typing import Annotated

from annotated_types import Ge, Le


class Cosine:
    """Cosine decay after an optional linear warm-up (Loshchilov and Hutter, 2017).

    This is equation 5 of SGDR, without restarts. The first step after the warm-up has the full rate. The rate reaches
    `final` only after the last step of the run.

    Args:
        final: the final rate as a fraction of the full rate.
        warmup: number of steps over which the rate rises linearly to the full rate.
    """

    def __init__(self, *, final: Annotated[float, Ge(0), Le(1)] = 0.0, warmup: Annotated[int, Ge(0)] = 0) -> None:
        self.final = final
        self.warmup = warmup

    def __call__(self, step: int, steps: int, epoch_steps: int, /) -> float:
        """Return the factor for the 0-based `step` of `steps`."""
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        done = min(1.0, (step - self.warmup) / max(1, steps - self.warmup))
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * done)) / 2
