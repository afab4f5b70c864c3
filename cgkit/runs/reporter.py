"""What a run tells whoever looks on: speed, time left, and the share of time spent waiting for images."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """How a run stands.

    Attributes:
        step: steps done.
        steps: steps to do in all.
        losses: the mean loss terms since the last report.
        images_per_second: images of both domains trained on, since this process began.
        seconds_left: at that speed.
        waiting: share of the time that was spent waiting for images, 0 to 1.
    """

    step: int
    steps: int
    losses: Mapping[str, float]
    images_per_second: float
    seconds_left: float
    waiting: float


class Reporter(Protocol):
    """Shows a run to a person."""

    def progress(self, progress: Progress) -> None:
        """Show how the run stands."""

    def message(self, text: str) -> None:
        """Say something, once."""

    def warning(self, text: str) -> None:
        """Say that something is wrong which does not stop the run."""


class Silence:
    """A reporter that shows nothing."""

    def progress(self, progress: Progress) -> None:
        """Show nothing."""

    def message(self, text: str) -> None:
        """Say nothing."""

    def warning(self, text: str) -> None:
        """Say nothing."""


@dataclass
class Stopwatch:
    """Measures where the time of a loop goes: waiting for images, or training."""

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
        """Forget the time since the last mark: it went into samples, scores or checkpoints."""
        self._lap()

    def progress(self, step: int, steps: int, images: int, losses: Mapping[str, float]) -> Progress:
        """Return how the run stands, `images` being those of one step."""
        total = max(self.waited + self.trained, 1e-9)
        rate = self.steps / total
        left = (steps - step) / rate if rate else 0.0
        return Progress(step, steps, losses, rate * images, left, self.waited / total)

    def _lap(self) -> float:
        now = time.monotonic()
        elapsed, self._mark = now - self._mark, now
        return elapsed
