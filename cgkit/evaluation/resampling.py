"""How far a number would move with other test images: intervals of 95 % from resampling."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

DRAWS = 1000
HALVES = 200
LEVELS = torch.tensor([0.025, 0.975], dtype=torch.float64)

Interval = tuple[float, float]


def interval_of_mean(values: Tensor, random: torch.Generator) -> Interval | None:
    """Return the percentile bootstrap interval (Efron, 1979) of the mean of values `(N,)`; None for fewer than two."""
    count = len(values)
    if count < 2:
        return None
    values = values.double()
    means = torch.stack([values[torch.randint(count, (count,), generator=random)].mean() for _ in range(DRAWS)])
    low, high = means.quantile(LEVELS).tolist()
    return low, high


def interval_of_sets(
    statistic: Callable[[Tensor, Tensor], Tensor], made: Tensor, real: Tensor, random: torch.Generator
) -> Interval | None:
    """Return an interval for a number about two sets, `(N, D)` and `(M, D)`; None for fewer than four of either.

    A bootstrap without replacement: the statistic is computed of random halves of both sets. Among halves, a statistic
    whose variance falls with 1/n varies as much as among whole samples (Shao and Wu, 1989, the jackknife that deletes
    half). Draws with replacement hold the same image twice, which lies at distance zero from itself: that moves KID and
    FID by more than their spread. As FID is larger for fewer images too, the spread is laid around the value itself.
    """
    if min(len(made), len(real)) < 4:
        return None
    value = float(statistic(made, real))
    halves = torch.tensor(
        [float(statistic(_half(made, random), _half(real, random))) for _ in range(HALVES)], dtype=torch.float64
    )
    low, high = (halves - halves.mean()).quantile(LEVELS).tolist()
    return value + low, value + high


def _half(rows: Tensor, random: torch.Generator) -> Tensor:
    chosen = torch.randperm(len(rows), generator=random)[: len(rows) // 2]
    return rows[chosen.to(rows.device)]
