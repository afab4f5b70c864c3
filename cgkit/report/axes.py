"""Axes of charts: range, scale, ticks and the format of numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

HEADROOM = 8.0
"""The ratio of the maximum to the median above which values need a logarithmic axis."""
SPREAD = 30.0
"""The ratio of the 95th to the 5th percentile above which values need a logarithmic axis."""


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic axis.

    Attributes:
        low: the lower end.
        high: the upper end, greater than `low`.
        logarithmic: whether the scale is logarithmic.
        ticks: the labelled values.
    """

    low: float
    high: float
    logarithmic: bool
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Return the relative position of a value: 0 at `low`, 1 at `high`."""
        if self.logarithmic:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)


def axis_for(values: Sequence[float], *, logarithmic: bool = False) -> Axis:
    """Return an axis that covers the values. Linear axes have round ends; logarithmic axes need positive values."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return _create_logarithmic(low, high) if logarithmic else _create_linear(low, high)


def needs_log_axis(values: Sequence[float]) -> bool:
    """Return whether values need a logarithmic axis: all are positive, and they span a wide range."""
    if len(values) < 3 or min(values) <= 0:
        return False
    ordered = sorted(values)
    tail = len(ordered) // 20
    return max(values) / median(ordered) > HEADROOM or ordered[-1 - tail] / ordered[tail] > SPREAD


def format_number(value: float) -> str:
    """Format a number with four significant digits; large numbers get a suffix, as in 10k or 1.5M."""
    if 0 < abs(value) < 1e-3:
        mantissa, _, exponent = f"{value:.3e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size <= abs(value) < 1e12:
            unit = 1e3 if suffix == "k" else size
            return f"{value / unit:.4g}{suffix}"
    return f"{value:.4g}"


def _create_linear(low: float, high: float) -> Axis:
    if 0 < low < 0.4 * high:
        low = 0.0
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-9):
        margin = abs(high) * 0.1 or 1.0
        low, high = low - margin, high + margin
    interval = _round_up((high - low) / 4)
    first, last = math.floor(low / interval + 1e-6), math.ceil(high / interval - 1e-6)
    ticks = tuple(number * interval for number in range(first, last + 1))
    return Axis(first * interval, last * interval, False, ticks)


def _create_logarithmic(low: float, high: float) -> Axis:
    low, high = low / 1.1, high * 1.1
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors: Iterable[int] = (1, 2, 5) if last - first <= 3 else (1,)
    every = max(1, (last - first) // 6)
    ticks = [factor * 10.0**power for power in range(first, last + 1, every) for factor in factors]
    return Axis(low, high, True, tuple(tick for tick in ticks if low <= tick <= high))


def _round_up(value: float) -> float:
    """Round up to the nearest number of the form 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= value * (1 - 1e-9))
