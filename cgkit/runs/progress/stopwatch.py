"""Measure the speed of a training loop."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Stopwatch:
    """Measures the time that a training loop spends waiting for images and the time that it spends training.

    As soon as there is a second step, the first one does not count, because libraries prepare themselves in it.
    """

    waited: float = 0.0
    trained: float = 0.0
    steps: int = 0
    _mark: float = field(default_factory=time.monotonic)
    _first_counts: bool = True

    def images_arrived(self) -> None:
        """Count the time since the last mark as waiting."""
        if self.steps == 1 and self._first_counts:
            self.waited = self.trained = 0.0
            self.steps, self._first_counts = 0, False
        self.waited += self._lap()

    def step_finished(self) -> None:
        """Count the time since the last mark as training."""
        self.trained += self._lap()
        self.steps += 1

    def pause(self) -> None:
        """Ignore the time since the last mark, because it was spent on samples, scores or checkpoints."""
        self._lap()

    @property
    def steps_per_second(self) -> float:
        """The speed, including the time spent waiting for images; 0 before the first step."""
        return self.steps / max(self.waited + self.trained, 1e-9)

    @property
    def waiting(self) -> float:
        """The fraction of the time spent waiting for images, from 0 to 1."""
        return self.waited / max(self.waited + self.trained, 1e-9)

    def _lap(self) -> float:
        now = time.monotonic()
        elapsed, self._mark = now - self._mark, now
        return elapsed
