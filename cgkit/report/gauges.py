"""Gauges: scores with their intervals, drawn between the untranslated and the real baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from cgkit.evaluation.numbers import Number
from cgkit.report.axes import format_number

MARGIN = 0.06
"""The empty margin on either side, as a fraction of the width."""


@dataclass(frozen=True)
class Gauge:
    """One number on an axis from worse to better; positions are percentages of the width.

    Attributes:
        label: the name of the direction or of the run.
        style: the index of its colour.
        number: the number.
        place: the position of the value.
        interval: the start and the width of the interval; None if the number has none.
        real: the position of the baseline of real images; None if there is no such baseline.
        untranslated: the position of the baseline of untranslated images; None if there is no such baseline.
    """

    label: str
    style: int
    number: Number
    place: float
    interval: tuple[float, float] | None
    real: float | None
    untranslated: float | None

    @property
    def value(self) -> str:
        """The formatted value."""
        return format_number(self.number.value)

    @property
    def interval_text(self) -> str:
        """The formatted interval; empty if there is none."""
        interval = self.number.interval
        return "" if interval is None else f"{format_number(interval[0])} to {format_number(interval[1])}"

    @property
    def span(self) -> tuple[float, float] | None:
        """The start and the width of the range between both baselines; None if either is missing."""
        if self.real is None or self.untranslated is None:
            return None
        return min(self.real, self.untranslated), abs(self.real - self.untranslated)


@dataclass(frozen=True)
class Scale:
    """The gauges of one metric, on a shared axis.

    Attributes:
        name: the metric.
        better: `higher` or `lower`, whichever values are better; better values are on the right. None if neither.
        gauges: one gauge for each number.
        protocol: the formatted evaluation protocol.
    """

    name: str
    better: str | None
    gauges: tuple[Gauge, ...]
    protocol: Mapping[str, str]


def scales_of(numbers: Iterable[Number], labels: Mapping[str, str]) -> tuple[Scale, ...]:
    """Return a scale for each metric, with the gauges of both directions, which have labels."""
    ordered = list(numbers)
    names = list(dict.fromkeys(number.name for number in ordered))
    ordered.sort(key=lambda number: names.index(number.name))
    sides = [(labels.get(one.direction, one.direction), int(one.direction == "b2a"), one) for one in ordered]
    return tuple(scale(list(group)) for _, group in groupby(sides, key=lambda side: side[2].name))


def scale(labelled: Sequence[tuple[str, int, Number]]) -> Scale:
    """Return the scale of a metric.

    Args:
        labelled: tuples of label, colour index and number; at least one.
    """
    numbers = [number for _, _, number in labelled]
    ends = [end for number in numbers for end in _list_ends(number)]
    low, high, lower_is_better = min(ends), max(ends), numbers[0].better == "lower"

    def locate(value: float) -> float:
        share = (value - low) / (high - low) if high > low else 0.5
        share = 1 - share if lower_is_better else share
        return round(100 * (MARGIN + share * (1 - 2 * MARGIN)), 2)

    def gauge(label: str, style: int, number: Number) -> Gauge:
        interval = None
        if number.interval is not None:
            start, end = sorted(map(locate, number.interval))
            interval = start, round(end - start, 2)
        real, untranslated = (None if end is None else locate(end) for end in (number.real, number.untranslated))
        return Gauge(label, style, number, locate(number.value), interval, real, untranslated)

    first = numbers[0]
    return Scale(first.name, first.better, tuple(gauge(*entry) for entry in labelled), format_protocol(numbers))


def format_protocol(numbers: Sequence[Number]) -> dict[str, str]:
    """Return the formatted protocol of numbers; a field that differs between numbers lists all its values."""
    names = dict.fromkeys(name for number in numbers for name in number.protocol)
    values = {name: [_format_value(number.protocol.get(name)) for number in numbers] for name in names}
    return {name: " / ".join(dict.fromkeys(texts)) for name, texts in values.items()}


def _format_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_format_value(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return " x ".join(map(_format_value, value))
    return "none" if value is None else str(value)


def _list_ends(number: Number) -> list[float]:
    baselines = [value for value in (number.real, number.untranslated) if value is not None]
    return [number.value, *(number.interval or ()), *baselines]
