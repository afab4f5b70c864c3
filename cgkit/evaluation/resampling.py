"""95% intervals from resampling: an estimate of how much a score would vary with other test images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

DRAWS = 1000
HALVES = 200
LEVELS = torch.tensor([0.025, 0.975], dtype=torch.float64)

Interval = tuple[float, float]


def interval_of_images(
    values: Tensor, random: torch.Generator, statistic: Callable[[Tensor], Tensor] = torch.mean
) -> Interval | None:
    """Return the percentile bootstrap interval (Efron, 1979) of a statistic of values by image; None for N < 2.

    Args:
        values: one number or row per image, `(N,)` or `(N, D)`.
        random: draws the images.
        statistic: returns a scalar; the mean by default.
    """
    count = len(values)
    if count < 2:
        return None
    values = values.double()
    drawn = [values[torch.randint(count, (count,), generator=random)] for _ in range(DRAWS)]
    low, high = torch.stack([statistic(images).double() for images in drawn]).quantile(LEVELS).tolist()
    return low, high


def interval_of_sets(
    statistic: Callable[[Tensor, Tensor], Tensor], generated: Tensor, real: Tensor, random: torch.Generator
) -> Interval | None:
    """Return the interval of a statistic of two sets, `(N, D)` and `(M, D)`; None if N or M is less than four.

    The statistic is computed on random halves of both sets, drawn without replacement. A statistic whose variance falls
    with 1/n varies as much over halves as over whole samples (Shao and Wu, 1989, the delete-half jackknife). Drawing
    with replacement would duplicate images; because duplicates are at distance zero, KID and FID would shift by more
    than their spread. FID is also larger for fewer images, so the interval is the value of the whole sets plus the
    deviations of the halves from the mean over all halves.
    """
    if min(len(generated), len(real)) < 4:
        return None
    value = float(statistic(generated, real))
    halves = torch.tensor(
        [float(statistic(_draw_half(generated, random), _draw_half(real, random))) for _ in range(HALVES)],
        dtype=torch.float64,
    )
    low, high = (halves - halves.mean()).quantile(LEVELS).tolist()
    return value + low, value + high


def _draw_half(rows: Tensor, random: torch.Generator) -> Tensor:
    chosen = torch.randperm(len(rows), generator=random)[: len(rows) // 2]
    return rows[chosen.to(rows.device)]
