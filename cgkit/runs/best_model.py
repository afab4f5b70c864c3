"""Which of a run's evaluations was best, and whether it is still getting better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from cgkit.errors import Problem
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.scoring import Measured
from cgkit.spec.model import Evaluation

DIRECTIONS = {"both": ("a2b", "b2a"), "a2b": ("a2b",), "b2a": ("b2a",)}


@dataclass
class Standing:
    """What is known so far: part of every checkpoint.

    Attributes:
        judged: the step of the last evaluation.
        step: the step of the best one; None before the first.
        value: what it scored.
        waited: how many there have been since.
    """

    judged: int = 0
    step: int | None = None
    value: float | None = None
    waited: int = 0


class Best:
    """Judges evaluations by the metric that the spec names; without one, none is best."""

    def __init__(self, settings: Evaluation, metrics: Sequence[Measured]) -> None:
        self._settings = settings
        self._better = settings.better or next(
            (getattr(one.metric, "better", None) for one in metrics if one.name == settings.best), None
        )
        self.standing = Standing()

    @property
    def exhausted(self) -> bool:
        """Whether as many evaluations as the spec has patience for were no better than the best one."""
        return self._settings.patience is not None and self.standing.waited >= self._settings.patience

    def judge(self, step: int, numbers: Sequence[Number]) -> bool:
        """Take in the evaluation of a step, once; return whether it is the best so far."""
        value = self._value(numbers)
        if value is None or step <= self.standing.judged:
            return False
        before = self.standing.value
        better = before is None or (value > before if self._better == "higher" else value < before)
        if better:
            self.standing = Standing(step, step, value)
        else:
            self.standing.judged = step
            self.standing.waited += 1
        return better

    def state(self) -> dict[str, Any]:
        """Return what `load` takes, as JSON values."""
        return {"metric": self._key(), **asdict(self.standing)}

    def load(self, state: Mapping[str, Any] | None) -> None:
        """Become what was saved; begin anew where another metric decided then."""
        if state is not None and state["metric"] == self._key():
            self.standing = Standing(**{name: value for name, value in state.items() if name != "metric"})

    def _key(self) -> list[str | None]:
        return [self._settings.best, self._settings.direction, self._better]

    def _value(self, numbers: Sequence[Number]) -> float | None:
        ways = DIRECTIONS[self._settings.direction]
        values = [one.value for one in numbers if one.name == self._settings.best and one.direction in ways]
        return fmean(values) if len(values) == len(ways) else None


def undecidable(
    settings: Evaluation, metrics: Sequence[Measured], *, aligned: bool, channels: tuple[int, int]
) -> list[Problem]:
    """Return why the metric that is to decide what is best cannot."""
    if settings.best is None:
        return []
    applying = {one.name: one for one in metrics if one.applies(aligned=aligned, channels=channels)}
    if settings.best not in applying:
        known = ", ".join(applying) or "none"
        message = f'"{settings.best}" is not among the metrics that are computed here: {known}'
        return [Problem("evaluation.best", message, f'add [[metric]] with name = "{settings.best}"')]
    if settings.better is None and getattr(applying[settings.best].metric, "better", None) is None:
        message = f'"{settings.best}" does not say whether higher or lower is better'
        return [Problem("evaluation.best", message, 'set evaluation.better = "higher" or "lower"')]
    return []
