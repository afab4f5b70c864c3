"""Charts of the values recorded during training, as SVG paths."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from cgkit.report.axes import Axis, axis_for, format_number, needs_log_axis

WIDTH, HEIGHT = 400, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 26
MAX_POINTS = 200
"""The maximum number of points of a curve; in longer histories, neighbouring points are averaged."""
MIN_SMOOTHED = 30
"""The minimum number of points for which a smoothed curve is added."""

PACE = ("learning_rate", "images_per_second", "waiting")
"""Recorded values that are neither losses nor scores."""

HEADINGS = {name: name.upper() for name in ("fid", "kid", "psnr", "ssim")} | {
    "waiting": "Fraction of time spent waiting for data"
}
"""Headings of recorded names, if the heading is not simply the capitalised name."""

_SIDE = re.compile(r"(?P<stem>.+)_(?P<side>a2b|b2a|forward|backward|a|b)")
_FIRST = ("a2b", "forward", "b")
"""The suffixes that belong to direction a to b: `forward` is its cycle, and `b` is its target domain."""

Values = Mapping[int, float | None]
Subject = Literal["scores", "losses", "pace"]


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        label: its name in the legend.
        style: the index of its colour.
        steps: the step of each point.
        values: the value of each point; None if it was not finite.
        path: the SVG path through the points.
        smooth: the path of the smoothed curve; empty if there are too few points.
        dots: the coordinates of isolated points, which the path cannot show.
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
        """The formatted last value."""
        return format_value(self.values[-1])


@dataclass(frozen=True)
class Chart:
    """Curves on shared axes.

    Attributes:
        title: the heading.
        x: the step axis.
        y: the value axis.
        lines: the curves.
    """

    title: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]

    @property
    def x_ticks(self) -> list[tuple[float, str]]:
        """Positions and labels along the x axis."""
        return [(_to_x(self.x, tick), format_number(tick)) for tick in self.x.ticks]

    @property
    def y_ticks(self) -> list[tuple[float, str]]:
        """Positions and labels along the y axis."""
        return [(_to_y(self.y, tick), format_number(tick)) for tick in self.y.ticks]

    @property
    def summary(self) -> str:
        """A description of the chart for screen readers."""
        texts = [f"{line.label or 'value'} from {format_value(line.values[0])} to {line.last}" for line in self.lines]
        return f"{self.title}: {', '.join(texts)}, steps {self.lines[0].steps[0]} to {self.lines[0].steps[-1]}"

    def data(self) -> dict[str, Any]:
        """Return JSON data from which the page's script shows the values at the pointer."""
        lines = [{"steps": line.steps, "values": [_round(value) for value in line.values]} for line in self.lines]
        y = {"low": self.y.low, "high": self.y.high, "logarithmic": self.y.logarithmic}
        return {"x": {"low": self.x.low, "high": self.x.high}, "y": y, "lines": lines}


@dataclass(frozen=True)
class Charts:
    """The charts of a run by subject."""

    scores: tuple[Chart, ...]
    losses: tuple[Chart, ...]
    pace: tuple[Chart, ...]


def charts_of(history: Mapping[str, Values], metrics: Collection[str], labels: Mapping[str, str]) -> Charts:
    """Return one chart per quantity, with the curves of both directions.

    Args:
        history: the recorded values by name and step.
        metrics: the names of the metrics; their values are shown as scores.
        labels: what to call the directions and domains.
    """
    grouped: dict[tuple[Subject, str], list[tuple[str, int, Values]]] = {}
    for name, values in history.items():
        stem, side, style = _split_name(name)
        if values:
            grouped.setdefault((subject_of(name, metrics), stem), []).append((labels.get(side, side), style, values))
    return charts_by_subject({key: sorted(lines, key=lambda line: line[1]) for key, lines in grouped.items()})


def charts_by_subject(named: Mapping[tuple[Subject, str], Sequence[tuple[str, int, Values]]]) -> Charts:
    """Return one chart per name.

    Args:
        named: the curves by subject and name; each curve has a label, a colour index, and at least one value by step.
    """
    # All charts share one step axis, so that the charts can be compared visually.
    steps = [step for lines in named.values() for _, _, values in lines for step in values]
    charts: dict[Subject, list[Chart]] = {"scores": [], "losses": [], "pace": []}
    for (subject, name), lines in named.items():
        # A metric that was measured only once is shown among the scores, not as a curve.
        if subject != "scores" or any(len(values) > 1 for _, _, values in lines):
            charts[subject].append(chart(title_of(name), lines, steps, linear=subject == "scores"))
    return Charts(**{subject: tuple(drawn) for subject, drawn in charts.items()})


def subject_of(name: str, metrics: Collection[str]) -> Subject:
    """Return the subject of a recorded name. The suffix is needed to tell a loss from a metric with the same stem."""
    metric, _, direction = name.rpartition("_")
    if metric in metrics and direction in ("a2b", "b2a"):
        return "scores"
    return "pace" if name in PACE else "losses"


def chart(title: str, lines: Iterable[tuple[str, int, Values]], steps: Sequence[int], *, linear: bool = False) -> Chart:
    """Return a chart of curves.

    Args:
        title: the heading.
        lines: tuples of label, colour index, and values by step; at least one.
        steps: the steps that the x axis covers.
        linear: whether the y axis is always linear; by default this depends on the values.
    """
    condensed = [(label, style, _condense(values)) for label, style, values in lines]
    known = [value for _, _, points in condensed for _, value in points if value is not None]
    last = float(max(steps, default=0)) or 1.0
    x = Axis(0.0, last, False, tuple(tick for tick in axis_for([0.0, last]).ticks if tick <= last))
    y = axis_for(known, logarithmic=not linear and needs_log_axis(known))
    return Chart(title, x, y, tuple(_create_line(label, style, points, x, y) for label, style, points in condensed))


def format_value(value: float | None) -> str:
    """Format a value; None means that it was not finite."""
    return "not finite" if value is None else format_number(value)


def _split_name(name: str) -> tuple[str, str, int]:
    """Split a recorded name; return its stem, its direction or domain, and the index of the colour."""
    match = _SIDE.fullmatch(name)
    if match is None:
        return name, "", 0
    return match["stem"], match["side"], 0 if match["side"] in _FIRST else 1


def title_of(stem: str) -> str:
    """Return the heading for a recorded name."""
    first, *words = stem.split("_")
    return " ".join([HEADINGS.get(first) or first[:1].upper() + first[1:], *words])


def _condense(values: Values) -> list[tuple[int, float | None]]:
    """Return the points in order of steps; more than `MAX_POINTS` are averaged in groups of neighbours."""
    points = list(values.items())
    if len(points) <= MAX_POINTS:
        return points
    size = -(-len(points) // MAX_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[len(group) // 2][0], _average(value for _, value in group)) for group in groups]


def _average(values: Iterable[float | None]) -> float | None:
    """Return the mean of values; None if any value was not finite."""
    listed = list(values)
    finite = [value for value in listed if value is not None]
    return sum(finite) / len(finite) if len(finite) == len(listed) else None


def _create_line(label: str, style: int, points: Sequence[tuple[int, float | None]], x: Axis, y: Axis) -> Line:
    parts = list(_split_at_gaps(points))
    path = " ".join(_build_path(part, x, y) for part in parts if len(part) > 1)
    smooth = " ".join(_build_path(_smooth(part), x, y) for part in parts if len(part) >= MIN_SMOOTHED)
    dots = tuple((_to_x(x, part[0][0]), _to_y(y, part[0][1])) for part in parts if len(part) == 1)
    steps, values = zip(*points, strict=True)
    return Line(label, style, steps, values, path, smooth, dots)


def _split_at_gaps(points: Sequence[tuple[int, float | None]]) -> Iterator[list[tuple[int, float]]]:
    """Yield each series of consecutive points with finite values."""
    for finite, part in groupby(points, key=lambda point: point[1] is not None):
        if finite:
            yield [(step, value) for step, value in part if value is not None]


def _smooth(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    reach = max(1, len(points) // 20)
    smoothed = []
    for index, (step, _) in enumerate(points):
        radius = min(reach, index, len(points) - 1 - index)  # symmetric windows keep the end points in place
        window = [value for _, value in points[index - radius : index + radius + 1]]
        smoothed.append((step, sum(window) / len(window)))
    return smoothed


def _build_path(points: Sequence[tuple[int, float]], x: Axis, y: Axis) -> str:
    return "M" + "L".join(f"{_to_x(x, step):g},{_to_y(y, value):g}" for step, value in points)


def _to_x(axis: Axis, value: float) -> float:
    return round(LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT), 1)


def _to_y(axis: Axis, value: float) -> float:
    return round(HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM), 1)


def _round(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
