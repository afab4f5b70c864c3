"""Measure how fast a run would go on this machine, by doing a little of everything that it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from statistics import median

from cgkit.data.loading import Batch
from cgkit.evaluation.scoring import Scoring
from cgkit.models.inference import translations_by
from cgkit.runs.context import RunContext
from cgkit.runs.run import Run
from cgkit.runs.samples.images import Samples

MOST_STEPS = 15
"""The largest number of steps that are timed with the same images."""

SCORED = 2
"""The number of test images of each domain that are scored to measure the time."""


@dataclass(frozen=True)
class Pace:
    """What was measured: seconds, and bytes on disk.

    Attributes:
        step: seconds of a training step.
        sheet: seconds to draw and write a sample sheet.
        score: seconds to score one test image of each domain.
        sheet_bytes: the size of a sheet.
        checkpoint_bytes: the size of a checkpoint whose image pools are full.
        model_bytes: the size of a model folder.
    """

    step: float
    sheet: float = 0.0
    score: float = 0.0
    sheet_bytes: int = 0
    checkpoint_bytes: int = 0
    model_bytes: int = 0


def time_step(run: Run, batches: Sequence[Batch], seconds: float = 2.0) -> float:
    """Return the median duration in seconds of the steps in some `seconds`; do a step before, as a warm-up."""

    def step() -> None:
        run.trainer.step(batches)
        run.trainer.settle()

    times = [_time(step)]
    while sum(times) < seconds and len(times) < MOST_STEPS:
        times.append(_time(step))
    return median(times)


def time_training(run: Run, seconds: float) -> float:
    """Return the mean duration in seconds of the steps in some `seconds` of training.

    Images are loaded as in a run, because on a CPU the processes that load them take time from the steps.
    """
    ends = []
    with run.batches() as all_batches:
        for batches in all_batches:
            run.trainer.step(batches)
            run.trainer.settle()
            ends.append(time.perf_counter())  # the first step waits for the processes to start
            if ends[-1] - ends[0] >= seconds:
                break
    return (ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else time_step(run, run.noise())


def measure_pace(run: Run, context: RunContext, step: float) -> Pace:
    """Measure everything but the step, whose duration is given, after a step of training."""
    samples = Samples(context, run.trainer)
    samples.draw()  # reads the test images, which a run does once
    png = BytesIO()
    sheet = _time(lambda: samples.sheet(samples.draw()).picture().save(png, format="PNG"))
    model_bytes, checkpoint_bytes = _count_bytes(run, context)
    return Pace(step, sheet, _time_scores(run, context), len(png.getvalue()), checkpoint_bytes, model_bytes)


def _time_scores(run: Run, context: RunContext) -> float:
    """Return the seconds that it takes to score one test image of each domain with all metrics."""
    translations = translations_by(run.trainer.best_generators, run.trainer.precision)
    images = context.measured_images(SCORED)

    def score() -> None:
        Scoring(images, context.spec.evaluation.seed, lambda message: None).scores(
            translations, context.assembly.metrics
        )

    score()  # loads the networks of the metrics
    return _time(score) / min(SCORED, *map(len, context.assembly.source.test()))


def _count_bytes(run: Run, context: RunContext) -> tuple[int, int]:
    """Return the bytes of a model and of a checkpoint."""
    tensors, train, data = run.trainer.tensors(), context.spec.train, context.spec.data
    sizes = {name: sum(tensor.nbytes for tensor in file.values()) for name, file in tensors.items()}
    sizes["pool"] = train.image_pool * sum(data.channels) * data.size[0] * data.size[1] * 4
    generators = sum(weight.nbytes for weight in run.trainer.raw_generators.parameters())
    return generators * (1 if train.ema is None else 2), sum(sizes.values())


def _time(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
