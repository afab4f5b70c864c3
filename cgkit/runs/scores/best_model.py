"""Decide which evaluation of a run was the best, and whether scores still improve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from cgkit.abilities import better_of
from cgkit.contracts import Source
from cgkit.data.framing import COVERING
from cgkit.errors import Problem
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.scoring import Measured
from cgkit.spec.model import Evaluation

DIRECTIONS = {"both": ("a2b", "b2a"), "a2b": ("a2b",), "b2a": ("b2a",)}


@dataclass
class Standing:
    """The state of `BestModel`, which is part of every checkpoint.

    Attributes:
        judged: the step of the last evaluation.
        step: the step of the best evaluation; None before the first.
        value: the score of the best evaluation.
        waited: the number of evaluations since the best one.
    """

    judged: int = 0
    step: int | None = None
    value: float | None = None
    waited: int = 0


class BestModel:
    """Compares evaluations by the spec's metric `evaluation.best`. Without this setting, no best model is chosen.

    Args:
        settings: the `[evaluation]` table of the spec.
        metrics: the metrics of the run.
        trained: the directions that are trained.
        resize: how the test images are resized, because scores are only compared if that is the same.
    """

    def __init__(
        self, settings: Evaluation, metrics: Sequence[Measured], trained: Sequence[str], resize: str = COVERING
    ) -> None:
        self._settings = settings
        self._directions = [direction for direction in DIRECTIONS[settings.direction] if direction in trained]
        named = [better_of(measured.metric) for measured in metrics if measured.name == settings.best]
        self._better = settings.better or next(iter(named), None)
        self._resize = resize
        self.standing = Standing()

    @property
    def patience_is_over(self) -> bool:
        """Whether the last `evaluation.patience` evaluations have brought no improvement."""
        return self._settings.patience is not None and self.standing.waited >= self._settings.patience

    def judge(self, step: int, numbers: Sequence[Number]) -> bool:
        """Compare the evaluation of a step with earlier evaluations; return whether it is the best so far."""
        value = self._score(numbers)
        if value is None or step <= self.standing.judged:
            return False
        best = self.standing.value
        improved = best is None or (value > best if self._better == "higher" else value < best)
        if improved:
            self.standing = Standing(step, step, value)
        else:
            self.standing.judged = step
            self.standing.waited += 1
        return improved

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, as JSON values."""
        return {"metric": self._key(), **asdict(self.standing)}

    def load(self, state: Mapping[str, Any] | None) -> None:
        """Restore the saved state, unless it was measured by another metric, direction or framing."""
        if state is not None and state["metric"] == self._key():
            self.standing = Standing(**{name: value for name, value in state.items() if name != "metric"})

    def _key(self) -> list[str | None]:
        resize = [] if self._resize == COVERING else [self._resize]  # checkpoints of earlier versions lack it
        return [self._settings.best, self._settings.direction, self._better, *resize]

    def _score(self, numbers: Sequence[Number]) -> float | None:
        values = [n.value for n in numbers if n.name == self._settings.best and n.direction in self._directions]
        return fmean(values) if values and len(values) == len(self._directions) else None


def check_best_metric(
    settings: Evaluation,
    metrics: Sequence[Measured],
    source: Source,
    *,
    channels: tuple[int, int],
    trained: Sequence[str],
) -> list[Problem]:
    """Return the problems of selecting the best model by `evaluation.best`; empty if there are none."""
    if settings.best is None:
        return []
    if not set(DIRECTIONS[settings.direction]) & set(trained):
        return [Problem("evaluation.direction", f"only {' and '.join(trained)} is trained", "set another direction")]
    both = len(trained) == 2
    computed = {metric.name: metric for metric in metrics if metric.applies(source, channels, both_directions=both)}
    if settings.best not in computed:
        known = ", ".join(computed) or "none"
        message = f'"{settings.best}" is not among the metrics that are computed for these images: {known}'
        return [Problem("evaluation.best", message, f'add [[metric]] with name = "{settings.best}"')]
    if settings.better is None and better_of(computed[settings.best].metric) is None:
        message = f'"{settings.best}" does not declare whether higher or lower values are better'
        return [Problem("evaluation.best", message, 'set evaluation.better = "higher" or "lower"')]
    return []
