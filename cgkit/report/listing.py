"""List the run folders below a folder: their states and their newest scores, which make a leaderboard."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from cgkit.abilities import better_of
from cgkit.errors import CgkitError, UsageError
from cgkit.evaluation.numbers import Number, differing
from cgkit.models.address import RESOLVED
from cgkit.models.info import DIRECTIONS
from cgkit.plugins import Plugins
from cgkit.report.facts import STATES
from cgkit.report.record import HISTORY, Record, read_record
from cgkit.runs.continuing.launch import FILE as LAUNCH
from cgkit.runs.folder import RunFolder

RUN_FILES = frozenset({RESOLVED, "status.json", LAUNCH})
"""A folder with one of these files is a run folder."""


@dataclass(frozen=True)
class Listed:
    """A run folder in a list.

    Attributes:
        folder: the run folder.
        state: `running`, `stopped`, `finished`, `failed`, `diverged`, `killed` or `damaged`.
        step: the number of completed steps, as far as recorded.
        steps: the planned number of steps.
        scores: the newest value of each metric and direction, such as `psnr_a2b`.
        metric: the metric that selects the run's best model, or else its first one.
        updated: when the run last recorded anything, in seconds since the epoch.
        problem: what is damaged; empty if nothing is.
        numbers: the scores of the last evaluation, with their protocols.
    """

    folder: Path
    state: str
    step: int | None = None
    steps: int | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    metric: str | None = None
    updated: float | None = None
    problem: str = ""
    numbers: tuple[Number, ...] = ()

    def score(self, metric: str | None = None) -> float | None:
        """Return the mean of a metric over its directions, or one direction of it, such as `psnr_a2b`."""
        wanted = metric or self.metric or ""
        names = (wanted, *(f"{wanted}_{direction}" for direction in DIRECTIONS))
        values = [self.scores[name] for name in names if name in self.scores]
        return fmean(values) if values else None

    def to_json(self) -> dict[str, Any]:
        """Return the run as JSON values."""
        names = ("state", "step", "steps", "metric", "scores", "updated", "problem")
        return {"folder": str(self.folder), **{name: getattr(self, name) for name in names}, "score": self.score()}


def list_runs(folder: Path, plugins: Plugins) -> list[Listed]:
    """Return the runs in a folder and its subfolders, in order of their paths; damaged ones have a `problem`.

    Raises:
        UsageError: the folder does not exist.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="pass the folder that contains the runs")
    fallbacks = [component.name for component in plugins.registries.metrics.fallbacks()]
    return [_describe(path, fallbacks) for path in _find(folder)]


def rank(runs: Sequence[Listed], metric: str, plugins: Plugins) -> tuple[list[Listed], str | None]:
    """Return the runs by a metric, the best first and those without it last; and a remark if the scores are not alike.

    Raises:
        UsageError: no run has the metric, or it does not declare whether higher or lower values are better.
    """
    if all(run.score(metric) is None for run in runs):
        known = ", ".join(dict.fromkeys(name for run in runs for name in run.scores)) or "none"
        raise UsageError(f"no run has a score {metric!r}", hint=f"known scores: {known}")
    names = (metric, *(f"{metric}_{direction}" for direction in DIRECTIONS))
    numbers = [number for run in runs for number in run.numbers if f"{number.name}_{number.direction}" in names]
    better = next((number.better for number in numbers), None) or _declared(metric, plugins)
    if better is None:
        hint = "sort by another metric"
        raise UsageError(f"{metric} does not declare whether higher or lower values are better", hint=hint)
    worst, sign = float("inf"), -1 if better == "higher" else 1
    scores = {run.folder: run.score(metric) for run in runs}
    ranked = sorted(runs, key=lambda run: worst if (value := scores[run.folder]) is None else sign * value)
    firsts = {number.direction: number for number in reversed(numbers)}
    alike = not any(differing(firsts[number.direction], number) for number in numbers)
    remark = f"some runs measured {metric} differently; cgkit compare RUN RUN says how"
    return ranked, None if alike else remark


def _find(folder: Path) -> Iterator[Path]:
    for path, folders, files in os.walk(folder):
        if RUN_FILES & set(files):
            yield Path(path)
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))


def _describe(path: Path, fallbacks: Sequence[str]) -> Listed:
    files = [path / name for name in ("status.json", HISTORY)]
    updated = max((file.stat().st_mtime for file in files if file.exists()), default=None)
    try:
        record = read_record(path)
    except CgkitError as error:
        return Listed(path, "damaged", updated=updated, problem=str(error))
    numbers = record.evaluation.numbers if record.evaluation is not None else ()
    metrics = dict.fromkeys([*record.metrics, *(number.name for number in numbers), *fallbacks])
    scores = _find_scores(record, metrics)
    evaluation = record.spec.get("evaluation")
    best = evaluation.get("best") if isinstance(evaluation, Mapping) else None
    scored = (name for name in (best, *metrics) if any(f"{name}_{direction}" in scores for direction in DIRECTIONS))
    state, problem = _find_state(record)
    return Listed(path, state, *_count_steps(record), scores, next(scored, None), updated, problem, numbers)


def _find_state(record: Record) -> tuple[str, str]:
    """Return the state of a run, and what is damaged."""
    state = record.status.get("state", "running")
    damaged = [
        record.problems[name]
        for name in (RESOLVED, "status.json")
        if name in record.problems and (name == RESOLVED or os.path.lexists(record.folder / name))
    ]
    if damaged or state not in STATES:
        return "damaged", "; ".join(damaged) or f"status.json has an unknown state: {state!r}"
    if RunFolder(record.folder).is_in_use():
        return "running", ""
    return ("killed" if state == "running" else str(state)), ""


def _count_steps(record: Record) -> tuple[int | None, int | None]:
    """Return the number of completed steps and of planned steps."""
    train = record.spec.get("train")
    planned = record.status.get("steps") or (train.get("steps") if isinstance(train, Mapping) else None)
    done = [record.status.get("step"), *(step for values in record.history.values() for step in values)]
    return max((step for step in done if type(step) is int), default=None), planned if type(planned) is int else None


def _find_scores(record: Record, metrics: Mapping[str, None]) -> dict[str, float]:
    """Return the newest values: those recorded during training, or those of a later evaluation."""
    scores, steps = dict[str, float](), dict[str, int]()
    for name in (f"{metric}_{direction}" for metric in metrics for direction in DIRECTIONS):
        for step, value in record.history.get(name, {}).items():
            if value is not None:
                scores[name], steps[name] = value, step
    if record.evaluation is not None:
        for number in record.evaluation.numbers:
            name = f"{number.name}_{number.direction}"
            if record.evaluation.step >= steps.get(name, 0):
                scores[name] = number.value
    return scores


def _declared(metric: str, plugins: Plugins) -> str | None:
    """Return whether higher or lower values of a metric are better, as its component declares."""
    for name in (metric, metric.rpartition("_")[0]):
        if name in {component.name for component in plugins.registries.metrics}:
            return better_of(plugins.registries.metrics[name].definition)  # type: ignore[arg-type]
    return None
