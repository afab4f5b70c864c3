"""Checks of schedules and trackers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from cgkit.abilities import tracker_method
from cgkit.contracts import Tracker
from cgkit.plugins import Plugins
from cgkit.spec import Spec
from cgkit.spec.settings import build_settings
from cgkit.testing.check import check
from cgkit.testing.subject import Subject

RUNS = ((1, 1), (10, 3), (1000, 250))
"""For each test, the number of steps of the run and the number of steps per epoch."""


@check("schedules")
def factors_are_numbers_that_are_not_negative(subject: Subject) -> None:
    """The factor of the learning rate is a finite number of at least 0 at every step of short and long runs."""
    schedule = subject.build()
    for steps, epoch in RUNS:
        for step in range(steps):
            factor = schedule(step, steps, epoch)
            position = f"at step {step} of {steps}"
            assert isinstance(factor, (int, float)), f"returns a {type(factor).__name__} {position}"
            assert math.isfinite(factor), f"returns {factor} {position}"
            assert factor >= 0, f"returns {factor} {position}: a learning rate must not be negative"


@check("schedules")
def schedules_remember_nothing(subject: Subject) -> None:
    """The factor at a step is independent of earlier calls, because a resumed run does not begin at the first step."""
    first, second = subject.build(), subject.build()
    forwards = [first(step, 100, 10) for step in range(100)]
    backwards = [second(step, 100, 10) for step in reversed(range(100))]
    assert forwards == backwards[::-1], "the factor of a step depends on earlier calls: compute it from the step alone"


@dataclass(frozen=True)
class Rehearsal:
    """A `cgkit.hookspecs.RunView` of a run that does not take place; it is also that run's folder."""

    path: Path
    step: int
    steps: int = 3
    spec: Spec = field(default_factory=Spec)
    plugins: Plugins = field(default_factory=Plugins)

    @property
    def folder(self) -> Rehearsal:
        """The run folder."""
        return self

    def status(self) -> dict[str, Any]:
        """Return the content of a status.json."""
        return {"state": "finished", "exit_code": 0, "step": self.steps, "steps": self.steps}

    def settings(self, package: str) -> Any:
        """Return the defaults of a plugin's settings."""
        return build_settings(self.spec, package, self.plugins)


def start(subject: Subject, step: int) -> Tracker:
    """Build a tracker and start it, as a run does that begins at `step`."""
    tracker: Tracker = subject.build()
    call_if_defined(tracker, "start", Rehearsal(subject.folder, step))
    tracker.rewind(step)
    return tracker


def call_if_defined(
    tracker: Tracker, name: Literal["start", "samples", "checkpoint", "finish"], *arguments: object
) -> None:
    """Call an optional method of a tracker."""
    if (method := tracker_method(tracker, name)) is not None:
        method(*arguments)


@check("trackers")
def trackers_take_what_a_run_gives(subject: Subject) -> None:
    """A tracker can record numbers, including NaN and infinity, take samples, rewind, continue, and be closed twice."""
    tracker = start(subject, 0)
    values: Mapping[str, float] = {"cycle_forward": 1.5, "learning_rate": 2e-4}
    for step in (1, 2, 3):
        tracker.record(step, values)
    tracker.record(4, {"cycle_forward": math.nan, "adversarial_a2b": math.inf})
    tracker.rewind(2)
    tracker.record(3, values)
    sheet = subject.folder / "step-000003.png"
    Image.new("RGB", (4, 4)).save(sheet)
    call_if_defined(tracker, "samples", 3, sheet)
    call_if_defined(tracker, "checkpoint", 3, subject.folder)
    call_if_defined(tracker, "finish", None)
    tracker.close()
    tracker.close()


@check("trackers")
def trackers_continue_what_another_process_wrote(subject: Subject) -> None:
    """A second tracker in the same folder can rewind and continue, as in a resumed run."""
    first = start(subject, 0)
    first.record(1, {"loss": 1.0})
    first.record(2, {"loss": 0.5})
    first.close()
    second = start(subject, 1)
    second.record(2, {"loss": 0.6})
    second.close()
