"""What a run knows of its own quality: scores, the best model so far, and what is kept of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from cgkit.data.loading import Batch
from cgkit.engine.assembly import Assembly
from cgkit.runs.best_model import Best
from cgkit.runs.health_monitor import Checkup
from cgkit.runs.samples import Examination
from cgkit.models.info import ModelInfo
from cgkit.models.folder import write_model
from cgkit.runs.observers import Observers
from cgkit.engine.distributed import Processes
from cgkit.runs.reporter import Reporter
from cgkit.runs.folder import RunFolder
from cgkit.engine.trainer import Trainer
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.record import Evaluation, weights_name, write_evaluation
from cgkit.spec import Spec


class Assessment:
    """Scores the model that a trainer has come to, and writes it: the best one so far, and the last one."""

    def __init__(
        self,
        spec: Spec,
        assembly: Assembly,
        trainer: Trainer,
        folder: RunFolder,
        providers: dict[str, str],
        processes: Processes,
        reporter: Reporter,
    ) -> None:
        self._spec = spec
        self._trainer = trainer
        self._folder = folder
        self._providers = providers
        self._processes = processes
        self._reporter = reporter
        self._best = Best(spec.evaluation, assembly.metrics)
        generators, precision = trainer.best_generators, trainer.precision
        self._examination = Examination(spec, assembly, generators, precision, reporter.warning)
        self._checkup = Checkup(spec, assembly, trainer, folder, reporter)
        self._scores: tuple[Number, ...] | None = None

    @property
    def exhausted(self) -> bool:
        """Whether the spec's patience is over: training ends."""
        return self._best.exhausted

    def evaluate(self, observers: Observers) -> bool:
        """Score the model as it is, and keep it where it is the best so far; return whether it is, in every process."""
        improved = False
        if self._processes.is_first:
            step = self._trainer.step_number
            self._scores = self._examination.scores()
            if self._scores:
                observers.record(step, {f"{one.name}_{one.direction}": one.value for one in self._scores})
            improved = self._best.judge(step, self._scores)
            if improved:
                self._write_model(self._folder.best)
        if self._spec.evaluation.best is None:
            return False
        told = torch.tensor([float(improved), float(self._best.standing.waited)], device=self._trainer.precision.device)
        self._processes.share_first([told])
        self._best.standing.waited = int(told[1])
        return bool(told[0])

    def draw_sample(self) -> None:
        """Keep the sheet of test images, without which a run goes on, and note what is wrong with them."""
        step = self._trainer.step_number
        look = self._examination.look()
        self._checkup.take(look)
        try:
            self._folder.write_sample(step, self._examination.sheet(look))
        except OSError as error:
            self._reporter.warning(f"the samples of step {step} are not kept: {error}")

    def finish(self, steps: int) -> tuple[Number, ...]:
        """Keep the model and its scores, and return these.

        Args:
            steps: how many were to be done.
        """
        step = self._trainer.step_number
        if step < steps:
            since = self._best.standing.step
            self._reporter.message(f"ended at step {step} of {steps}: no better score since step {since}")
        if self._scores is None:  # the run was over already
            self._scores = self._examination.scores()
        self._write_model(self._folder.model)
        weights = weights_name(self._trainer.moving_average is not None)
        write_evaluation(self._folder.path, Evaluation(step, weights, self._scores))
        return self._scores

    def state(self) -> dict[str, Any]:
        """Return what `load` takes, as JSON values."""
        return {"best": self._best.state(), "health": self._checkup.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Know again what was known when a checkpoint was saved."""
        self._best.load(state.get("best"))
        self._checkup.load(state.get("health"))

    def begin(self) -> None:
        """Note what is known of the run before its first step."""
        if self._processes.is_first:
            self._checkup.begin()

    def rewind(self, step: int) -> None:
        """Forget what was noted after a step."""
        if self._processes.is_first:
            self._checkup.rewind(step)

    def pass_by(self, batches: Sequence[Batch]) -> None:
        """Look at the images of a step in passing."""
        if self._processes.is_first:
            self._checkup.pass_by(batches)

    def _write_model(self, folder: Path) -> None:
        trainer = self._trainer
        averaged = trainer.moving_average is not None
        write_model(
            folder,
            trainer.best_generators,
            ModelInfo(self._spec, trainer.step_number, averaged),
            self._providers,
            raw=trainer.model.generators if averaged else None,
            scores=self._scores or (),
        )
