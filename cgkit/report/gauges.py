"""Numbers with their intervals, drawn between what doing nothing scores and what real images score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from cgkit.evaluation.numbers import Number
from cgkit.report.axes import number_text

MARGIN = 0.06
"""Of the width, on either side of everything that is drawn."""


@dataclass(frozen=True)
class Gauge:
    """One number on a stretch from worse to better; places are in percent of the width.

    Attributes:
        label: what the number is of.
        style: the number of its colour.
        number: the number.
        place: where its value lies.
        interval: where its interval begins and how wide it is; None without one.
        real: the position of what real images score; None without one.
        untranslated: the position of what untranslated images score; None without one.
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
        """The value, as text."""
        return number_text(self.number.value)

    @property
    def interval_text(self) -> str:
        """The interval, as text; empty without one."""
        interval = self.number.interval
        return "" if interval is None else f"{number_text(interval[0])} to {number_text(interval[1])}"

    @property
    def span(self) -> tuple[float, float] | None:
        """The start and the width of the range between both baselines; None if either is missing."""
        if self.real is None or self.untranslated is None:
            return None
        return min(self.real, self.untranslated), abs(self.real - self.untranslated)


@dataclass(frozen=True)
class Scale:
    """The gauges of one metric, which share their axis.

    Attributes:
        name: the metric.
        better: whether better, which is to the right, is `higher` or `lower`; None where neither is.
        gauges: the numbers.
        protocol: what the numbers depend on, as text by name.
    """

    name: str
    better: str | None
    gauges: tuple[Gauge, ...]
    protocol: Mapping[str, str]


def scales_of(numbers: Iterable[Number]) -> tuple[Scale, ...]:
    """Return the scale of every metric, with both directions on it."""
    ordered = list(numbers)
    names = list(dict.fromkeys(number.name for number in ordered))
    ordered.sort(key=lambda number: names.index(number.name))
    return tuple(
        scale([(number.direction.replace("2", " to "), int(number.direction == "b2a"), number) for number in of_name])
        for _, of_name in groupby(ordered, key=lambda number: number.name)
    )


def scale(labelled: Sequence[tuple[str, int, Number]]) -> Scale:
    """Return a scale of numbers of one metric.

    Args:
        labelled: label, number of the colour, and number; at least one.
    """
    numbers = [number for _, _, number in labelled]
    ends = [end for number in numbers for end in _extent(number)]
    low, high, lower_is_better = min(ends), max(ends), numbers[0].better == "lower"

    def place(value: float) -> float:
        share = (value - low) / (high - low) if high > low else 0.5
        share = 1 - share if lower_is_better else share
        return round(100 * (MARGIN + share * (1 - 2 * MARGIN)), 2)

    def gauge(label: str, style: int, number: Number) -> Gauge:
        interval = None
        if number.interval is not None:
            begin, end = sorted(map(place, number.interval))
            interval = begin, round(end - begin, 2)
        real, untranslated = (None if bound is None else place(bound) for bound in (number.real, number.untranslated))
        return Gauge(label, style, number, place(number.value), interval, real, untranslated)

    first = numbers[0]
    return Scale(first.name, first.better, tuple(gauge(*one) for one in labelled), protocol_text(numbers))


def protocol_text(numbers: Sequence[Number]) -> dict[str, str]:
    """Return what numbers depend on, as text by name; where they differ, of each in turn."""
    names = dict.fromkeys(name for number in numbers for name in number.protocol)
    values = {name: [_said(number.protocol.get(name)) for number in numbers] for name in names}
    return {name: " / ".join(dict.fromkeys(said)) for name, said in values.items()}


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_said(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return " x ".join(map(_said, value))
    return "none" if value is None else str(value)


def _extent(number: Number) -> list[float]:
    bounds = [bound for bound in (number.real, number.untranslated) if bound is not None]
    return [number.value, *(number.interval or ()), *bounds]
