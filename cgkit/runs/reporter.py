"""The interface through which a run shows progress, messages and warnings to its user."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """The progress of a run.

    Attributes:
        step: the number of completed steps.
        steps: the number of steps of the whole run.
        losses: the mean loss terms since the last report.
        images_per_second: training images of both domains per second of training in this process.
        seconds_left: the estimated remaining training time at the current speed, in seconds.
        waiting: the fraction of the time spent waiting for images, from 0 to 1.
    """

    step: int
    steps: int
    losses: Mapping[str, float]
    images_per_second: float
    seconds_left: float
    waiting: float


class Reporter(Protocol):
    """Shows a run to its user."""

    def progress(self, progress: Progress) -> None:
        """Show the progress."""

    def message(self, text: str) -> None:
        """Print a message."""

    def warning(self, text: str, traceback: str = "") -> None:
        """Print a warning; the run continues. A plugin's exception that caused it is given by its traceback."""


class Silence:
    """A reporter that shows nothing."""

    def progress(self, progress: Progress) -> None:
        """Show nothing."""

    def message(self, text: str) -> None:
        """Print nothing."""

    def warning(self, text: str, traceback: str = "") -> None:
        """Print nothing."""


@dataclass
class Stopwatch:
    """Measures the time that a training loop spends waiting for images and the time that it spends training."""

    waited: float = 0.0
    trained: float = 0.0
    steps: int = 0
    _mark: float = field(default_factory=time.monotonic)

    def images_arrived(self) -> None:
        """Count the time since the last mark as waiting."""
        self.waited += self._lap()

    def step_finished(self) -> None:
        """Count the time since the last mark as training."""
        self.trained += self._lap()
        self.steps += 1

    def pause(self) -> None:
        """Ignore the time since the last mark, because it was spent on samples, scores or checkpoints."""
        self._lap()

    def progress(self, step: int, steps: int, images: int, losses: Mapping[str, float]) -> Progress:
        """Return the progress; `images` is the number of images in a step, both domains together."""
        total = max(self.waited + self.trained, 1e-9)
        rate = self.steps / total
        left = (steps - step) / rate if rate else 0.0
        return Progress(step, steps, losses, rate * images, left, self.waited / total)

    def _lap(self) -> float:
        now = time.monotonic()
        elapsed, self._mark = now - self._mark, now
        return elapsed
