"""Half a cosine wave of the learning rate."""

from __future__ import annotations

import math
from typing import Annotated

from annotated_types import Ge, Le


class Cosine:
    """Half a cosine wave down, after an optional warm-up.

    Loshchilov and Hutter, 2017 (SGDR, equation 5), without restarts. The full rate comes at the first step after the
    warm-up, the final one where the run ends: after its last step.

    Args:
        final: the share of the rate that is left at the end of the run.
        warmup: how many steps rise linearly to the full rate, before it falls.
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
