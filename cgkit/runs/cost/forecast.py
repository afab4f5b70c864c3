"""Forecast the time and the disk space of a run from its measured pace."""

from __future__ import annotations

from dataclasses import dataclass

from cgkit.runs.cost.pace import Pace
from cgkit.spec import Spec

DISK = 200e6
"""Bytes a second that checkpoints are assumed to be written with; a slow disk writes half as fast."""


@dataclass(frozen=True)
class Forecast:
    """What a run will need.

    Attributes:
        training: seconds of all steps.
        samples: seconds of all sample sheets.
        scores: seconds of all evaluations.
        checkpoints: seconds to write all checkpoints.
        disk: bytes on disk at the end, by what needs them: `checkpoints`, `samples` and `model`.
    """

    training: float
    samples: float
    scores: float
    checkpoints: float
    disk: dict[str, int]

    @property
    def seconds(self) -> float:
        """The seconds in all."""
        return self.training + self.samples + self.scores + self.checkpoints


def forecast(spec: Spec, pace: Pace, steps: int, tests: int) -> Forecast:
    """Return what a run of `steps` steps needs.

    Args:
        spec: the spec, for how often samples, scores and checkpoints are due.
        pace: what was measured.
        steps: the number of steps.
        tests: the number of test images of the domain that has more.
    """
    sheets = count_sheets(_count(steps, spec.samples.every), steps * pace.step, spec.samples.minutes)
    saved = _count(steps, spec.checkpoint.every)
    evaluations = _count(steps, spec.evaluation.every or steps)
    model = pace.model_bytes * (1 if spec.evaluation.best is None else 2)
    return Forecast(
        training=steps * pace.step,
        samples=sheets * pace.sheet,
        scores=evaluations * min(tests, spec.evaluation.count) * pace.score,
        checkpoints=saved * pace.checkpoint_bytes / DISK,
        disk={
            "checkpoints": min(saved, spec.checkpoint.keep) * pace.checkpoint_bytes,
            "samples": sheets * pace.sheet_bytes,
            "model": model,
        },
    )


def count_sheets(regular: int, seconds: float, minutes: float) -> int:
    """Return the number of sample sheets: one after the first step, and `regular` others or more if these are rare."""
    return 1 + max(regular, int(seconds / (60 * minutes)))


def _count(steps: int, every: int) -> int:
    """Return how often something happens that is due every so many steps, and after the last one."""
    return -(-steps // every)
