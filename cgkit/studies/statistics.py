"""What several seeds and test images say together: means, intervals, and tests of paired differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from cgkit.errors import UsageError

Interval = tuple[float, float]

IMAGES = 1.96
"""Half of a 95% interval over test images, in standard deviations."""


def interval_over(values: Sequence[float], intervals: Sequence[Interval | None]) -> Interval | None:
    """Return the 95% interval of a mean over seeds, which covers other seeds and other test images.

    All seeds are scored on the same test images, so that these add a variance of their own, which more seeds do not
    reduce: the squares of Student's interval of the mean over seeds and of the mean interval over images are added.

    Args:
        values: the score of each seed.
        intervals: the 95% interval of each score over test images.

    Returns:
        The interval; with a single seed, that over images alone; None if neither is known.
    """
    widths = [(high - low) / 2 for low, high in filter(None, intervals)]
    halves = [fmean(widths)] if widths else []
    if len(values) > 1:
        halves.append(_student(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values)))
    if not halves:
        return None
    mean, half = fmean(values), math.hypot(*halves)
    return mean - half, mean + half


def paired_p(values: Mapping[int, float], others: Mapping[int, float]) -> float | None:
    """Return the p-value of Student's paired t-test of two variants over the seeds that both have.

    None if there are fewer than two such seeds, or if all differences are the same.
    """
    differences = [values[seed] - others[seed] for seed in values if seed in others]
    if len(differences) < 2 or stdev(differences) == 0:
        return None
    return float(import_stats().ttest_1samp(differences, 0.0).pvalue)


def adjust(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted for that several variants are compared with one (Holm, 1979); None stays None."""
    known = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (value, place) in enumerate(known):
        least = min(1.0, max(least, (len(known) - rank) * value))
        adjusted[place] = least
    return adjusted


def _student(quantile: float, freedom: int) -> float:
    return float(import_stats().t.ppf(quantile, freedom))


def import_stats() -> Any:
    """Return SciPy's statistics, which results of several seeds need.

    Raises:
        UsageError: SciPy is not installed.
    """
    try:
        from scipy import stats
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "scipy":
            raise
        raise UsageError("the results of several seeds need SciPy", hint='pip install "cgkit[study]"') from None
    return stats
