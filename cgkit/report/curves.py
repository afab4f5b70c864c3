"""Curves of what was recorded during training, as paths of SVG."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from cgkit.report.axes import Axis, axis_for, number_text, wants_logarithm

WIDTH, HEIGHT = 400, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 26
MOST_POINTS = 200
"""Longer histories are shown as means of that many stretches."""
SMOOTHED_FROM = 30
"""Points from which on a smoothed curve is drawn over them."""

PACE = ("learning_rate", "images_per_second", "waiting")
"""What is recorded of how a training goes, beside losses and scores."""

_SIDE = re.compile(r"(?P<stem>.+)_(?P<side>a2b|b2a|forward|backward|a|b)")
_FIRST = ("a2b", "forward", "b")
"""What belongs to the direction from a to b: its cycle, and what is judged or kept in domain b."""

Values = Mapping[int, float | None]
Subject = Literal["scores", "losses", "pace"]


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        label: what tells it from the others of its chart.
        style: the number of its colour.
        steps: where its points are.
        values: what they are; None where it was not finite.
        path: all of them.
        smooth: a smoothed curve through them; empty where there are too few.
        dots: the place of points that have no neighbour, which no path shows.
    """

    label: str
    style: int
    steps: tuple[int, ...]
    values: tuple[float | None, ...]
    path: str
    smooth: str
    dots: tuple[tuple[float, float], ...]

    @property
    def last(self) -> str:
        """The last value, as text."""
        return value_text(self.values[-1])


@dataclass(frozen=True)
class Chart:
    """Curves that share their axes.

    Attributes:
        title: what they are of.
        x: the axis of the steps.
        y: the axis of the values.
        lines: the curves.
    """

    title: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]

    @property
    def x_ticks(self) -> list[tuple[float, str]]:
        """Places and texts along the lower edge."""
        return [(_across(self.x, tick), number_text(tick)) for tick in self.x.ticks]

    @property
    def y_ticks(self) -> list[tuple[float, str]]:
        """Places and texts along the left edge."""
        return [(_down(self.y, tick), number_text(tick)) for tick in self.y.ticks]

    @property
    def summary(self) -> str:
        """The chart in words, for who cannot see it."""
        told = [f"{line.label or 'it'} goes from {value_text(line.values[0])} to {line.last}" for line in self.lines]
        return f"{self.title}: {', '.join(told)}, steps {self.lines[0].steps[0]} to {self.lines[0].steps[-1]}"

    def data(self) -> dict[str, Any]:
        """Return what is needed to tell the values under a pointer, as JSON values."""
        lines = [{"steps": line.steps, "values": [_rounded(value) for value in line.values]} for line in self.lines]
        y = {"low": self.y.low, "high": self.y.high, "logarithmic": self.y.logarithmic}
        return {"x": {"low": self.x.low, "high": self.x.high}, "y": y, "lines": lines}


@dataclass(frozen=True)
class Charts:
    """The charts of a run, by what they are about."""

    scores: tuple[Chart, ...]
    losses: tuple[Chart, ...]
    pace: tuple[Chart, ...]


def charts_of(history: Mapping[str, Values], metrics: Collection[str]) -> Charts:
    """Return a chart for each quantity; both directions of one share theirs.

    Args:
        history: by name, values by step.
        metrics: the names of the metrics, which are shown as scores.
    """
    grouped: dict[tuple[Subject, str], list[tuple[str, int, Values]]] = {}
    for name, values in history.items():
        stem, label, style = _taken_apart(name)
        if values:
            grouped.setdefault((subject_of(name, metrics), stem), []).append((label, style, values))
    return charts_by_subject({key: sorted(lines, key=lambda line: line[1]) for key, lines in grouped.items()})


def charts_by_subject(named: Mapping[tuple[Subject, str], Sequence[tuple[str, int, Values]]]) -> Charts:
    """Return a chart for each name.

    Args:
        named: by subject and name, curves: label, number of the colour, values by step, which are not empty.
    """
    # All have one axis of steps, so that they can be read one above the other.
    steps = [step for lines in named.values() for _, _, values in lines for step in values]
    charts: dict[Subject, list[Chart]] = {"scores": [], "losses": [], "pace": []}
    for (subject, name), lines in named.items():
        # What was scored once, at the end, is told by the numbers and needs no curve.
        if subject != "scores" or any(len(values) > 1 for _, _, values in lines):
            charts[subject].append(chart(title_of(name), lines, steps, linear=subject == "scores"))
    return Charts(**{subject: tuple(drawn) for subject, drawn in charts.items()})


def subject_of(name: str, metrics: Collection[str]) -> Subject:
    """Return what a recorded name is about. (A loss and a metric may both be called `cycle`, with other endings.)"""
    metric, _, direction = name.rpartition("_")
    if metric in metrics and direction in ("a2b", "b2a"):
        return "scores"
    return "pace" if name in PACE else "losses"


def chart(title: str, lines: Iterable[tuple[str, int, Values]], steps: Sequence[int], *, linear: bool = False) -> Chart:
    """Return a chart.

    Args:
        title: what it is of.
        lines: label, number of the colour, and values by step, at least one.
        steps: those that the axis has to hold.
        linear: whether the values have a linear axis in any case.
    """
    condensed = [(label, style, _condensed(values)) for label, style, values in lines]
    known = [value for _, _, points in condensed for _, value in points if value is not None]
    last = float(max(steps, default=0)) or 1.0
    x = Axis(0.0, last, False, tuple(tick for tick in axis_for([0.0, last]).ticks if tick <= last))
    y = axis_for(known, logarithmic=not linear and wants_logarithm(known))
    return Chart(title, x, y, tuple(_line(label, style, points, x, y) for label, style, points in condensed))


def value_text(value: float | None) -> str:
    """Return a value as text."""
    return "not finite" if value is None else number_text(value)


def _taken_apart(name: str) -> tuple[str, str, int]:
    """Return what a recorded name is about, its direction or domain, and the number of its colour."""
    match = _SIDE.fullmatch(name)
    if match is None:
        return name, "", 0
    label = match["side"].replace("2", " to ")
    return match["stem"], label, 0 if match["side"] in _FIRST else 1


def title_of(stem: str) -> str:
    """Return what is recorded under a name as a heading."""
    return (stem[:1].upper() + stem[1:]).replace("_", " ")


def _condensed(values: Values) -> list[tuple[int, float | None]]:
    """Return the points, or the means of stretches of them where there are too many."""
    points = list(values.items())
    if len(points) <= MOST_POINTS:
        return points
    size = -(-len(points) // MOST_POINTS)
    stretches = [points[start : start + size] for start in range(0, len(points), size)]
    return [(stretch[len(stretch) // 2][0], _mean(value for _, value in stretch)) for stretch in stretches]


def _mean(values: Iterable[float | None]) -> float | None:
    """Return the mean; None where any of them was not finite."""
    listed = list(values)
    finite = [value for value in listed if value is not None]
    return sum(finite) / len(finite) if len(finite) == len(listed) else None


def _line(label: str, style: int, points: Sequence[tuple[int, float | None]], x: Axis, y: Axis) -> Line:
    parts = list(_unbroken(points))
    path = " ".join(_path(part, x, y) for part in parts if len(part) > 1)
    smooth = " ".join(_path(_smoothed(part), x, y) for part in parts if len(part) >= SMOOTHED_FROM)
    dots = tuple((_across(x, part[0][0]), _down(y, part[0][1])) for part in parts if len(part) == 1)
    steps, values = zip(*points, strict=True)
    return Line(label, style, steps, values, path, smooth, dots)


def _unbroken(points: Sequence[tuple[int, float | None]]) -> Iterator[list[tuple[int, float]]]:
    """Yield the points between which every value is finite."""
    for finite, part in groupby(points, key=lambda point: point[1] is not None):
        if finite:
            yield [(step, value) for step, value in part if value is not None]


def _smoothed(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    reach = max(1, len(points) // 20)
    smoothed = []
    for place, (step, _) in enumerate(points):
        around = min(reach, place, len(points) - 1 - place)  # as far on either side, so that the ends stay in place
        near = [value for _, value in points[place - around : place + around + 1]]
        smoothed.append((step, sum(near) / len(near)))
    return smoothed


def _path(points: Sequence[tuple[int, float]], x: Axis, y: Axis) -> str:
    return "M" + "L".join(f"{_across(x, step):g},{_down(y, value):g}" for step, value in points)


def _across(axis: Axis, value: float) -> float:
    return round(LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT), 1)


def _down(axis: Axis, value: float) -> float:
    return round(HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM), 1)


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
