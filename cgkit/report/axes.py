"""Where a number lies on an axis, which ones are written beside it, and how."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

HEADROOM = 8.0
"""An axis is logarithmic where the largest number is so many times the median,"""
SPREAD = 30.0
"""or where all but the outermost twentieths of the numbers span so many times."""


@dataclass(frozen=True)
class Axis:
    """A stretch of numbers, linear or logarithmic.

    Attributes:
        low: its smallest number.
        high: its largest one, above `low`.
        logarithmic: whether equal distances are equal ratios.
        ticks: the numbers that are written beside it.
    """

    low: float
    high: float
    logarithmic: bool
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Return where a number lies: 0 is `low`, 1 is `high`."""
        if self.logarithmic:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)


def axis_for(values: Sequence[float], *, logarithmic: bool = False) -> Axis:
    """Return an axis with round ends that holds some numbers; positive ones where it is to be logarithmic."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return _logarithmic(low, high) if logarithmic else _linear(low, high)


def wants_logarithm(values: Sequence[float]) -> bool:
    """Return whether a logarithmic axis shows more of some numbers: they are positive, and some dwarf the others."""
    if len(values) < 3 or min(values) <= 0:
        return False
    ordered = sorted(values)
    outermost = len(ordered) // 20
    return max(values) / median(ordered) > HEADROOM or ordered[-1 - outermost] / ordered[outermost] > SPREAD


def number_text(value: float) -> str:
    """Return a number as it is written for people: four digits that count, ten thousands as 10k, millions as 1M."""
    if 0 < abs(value) < 1e-3:
        mantissa, _, exponent = f"{value:.3e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size <= abs(value) < 1e12:
            unit = 1e3 if suffix == "k" else size
            return f"{value / unit:.4g}{suffix}"
    return f"{value:.4g}"


def _linear(low: float, high: float) -> Axis:
    if 0 < low < 0.4 * high:
        low = 0.0
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-9):
        margin = abs(high) * 0.1 or 1.0
        low, high = low - margin, high + margin
    pace = _round_number((high - low) / 4)
    first, last = math.floor(low / pace + 1e-6), math.ceil(high / pace - 1e-6)
    return Axis(first * pace, last * pace, False, tuple(number * pace for number in range(first, last + 1)))


def _logarithmic(low: float, high: float) -> Axis:
    low, high = low / 1.1, high * 1.1
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors: Iterable[int] = (1, 2, 5) if last - first <= 3 else (1,)
    every = max(1, (last - first) // 6)
    ticks = [factor * 10.0**power for power in range(first, last + 1, every) for factor in factors]
    return Axis(low, high, True, tuple(tick for tick in ticks if low <= tick <= high))


def _round_number(value: float) -> float:
    """Return the next larger one of 1, 2, 2.5 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= value * (1 - 1e-9))
