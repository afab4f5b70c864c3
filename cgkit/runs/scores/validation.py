"""Score the model of a run on test images; write the best and the final model."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from cgkit.engine.trainer import Trainer
from cgkit.errors import ResourceError
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.record import Evaluation, weights_name, write_evaluation
from cgkit.evaluation.scoring import Scoring
from cgkit.models.folder import write_model, written_step
from cgkit.models.inference import translations_by
from cgkit.models.info import ModelInfo
from cgkit.runs.context import RunContext
from cgkit.runs.continuing.changes import read_changes
from cgkit.runs.scores.best_model import BestModel
from cgkit.spec.images import in_words


class Validation:
    """Scores the current generators and writes the model folders."""

    def __init__(self, context: RunContext, trainer: Trainer) -> None:
        self._context = context
        self._trainer = trainer
        self._best = BestModel(
            context.spec.evaluation,
            context.assembly.metrics,
            trainer.objective.directions,
            context.evaluation_images.resize,
        )
        self._scores: tuple[Number, ...] | None = None

    @property
    def patience_is_over(self) -> bool:
        """Whether training ends early, because the scores have stopped improving."""
        return self._best.patience_is_over

    def check(self) -> None:
        """Warn of metrics that cannot be computed here, before the training takes hours."""
        self._scoring.check(self._context.assembly.metrics)

    def evaluate(self) -> tuple[dict[str, float], bool]:
        """Score the model on rank 0, and compare it with the best so far.

        Returns:
            The scores to record, empty on all other ranks; and whether the model is the best so far, on every rank.
        """
        improved, scores, processes = False, {}, self._context.processes
        if processes.is_first:
            self._scores = self._score()
            scores = {f"{number.name}_{number.direction}": number.value for number in self._scores}
            improved = self._best.judge(self._trainer.step_number, self._scores)
        if self._context.spec.evaluation.best is None:
            return scores, False
        values = [float(improved), float(self._best.standing.waited)]
        shared = torch.tensor(values, device=self._trainer.precision.device)
        processes.share_first([shared])
        self._best.standing.waited = int(shared[1])
        return scores, bool(shared[0])

    def write_best(self) -> None:
        """Write the model, which is the best so far, to the folder `best`."""
        self._write_model(self._context.folder.best)

    def complete_best(self) -> None:
        """Write the best model if it is that of the checkpoint, and the run ended before it had written the model."""
        step = self._best.standing.step
        if step == self._trainer.step_number and step != written_step(self._context.folder.best):
            self._scores = self._score()
            self.write_best()

    def finish(self, steps: int) -> tuple[Number, ...]:
        """Write the final model and its scores; return the scores.

        Args:
            steps: the planned number of steps.
        """
        step = self._trainer.step_number
        if step < steps:
            since = self._best.standing.step
            self._context.reporter.message(f"stopped early at step {step} of {steps}: best score at step {since}")
        if self._scores is None:  # a finished run was resumed, so nothing was evaluated
            self._scores = self._score()
        self._write_model(self._context.folder.model)
        weights = weights_name(self._trainer.moving_average is not None)
        write_evaluation(self._context.folder.path, Evaluation(step, weights, self._scores))
        return self._scores

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, as JSON values."""
        return self._best.state()

    def load(self, state: Mapping[str, Any] | None) -> None:
        """Restore the state from a checkpoint."""
        self._best.load(state)

    @cached_property
    def _scoring(self) -> Scoring:
        context = self._context
        reporter, seed = context.reporter, context.spec.evaluation.seed
        return Scoring(
            context.evaluation_images,
            seed,
            reporter.warning,
            lambda text: reporter.stage(in_words(text, context.labels)),
        )

    def _score(self) -> tuple[Number, ...]:
        translations = translations_by(self._trainer.best_generators, self._trainer.precision)
        return self._scoring.scores(translations, self._context.assembly.metrics)

    def _write_model(self, folder: Path) -> None:
        trainer = self._trainer
        averaged = trainer.moving_average is not None
        try:
            write_model(
                folder,
                trainer.best_generators,
                ModelInfo(
                    self._context.spec,
                    trainer.step_number,
                    averaged,
                    trainer.objective.directions,
                    started=self._context.folder.started(),
                ),
                self._context.providers,
                raw=trainer.raw_generators if averaged else None,
                scores=self._scores or (),
                changes=[str(change.without_places()) for change in read_changes(self._context.folder.path)],
            )
        except OSError as error:
            raise _not_written(error, folder, trainer.step_number) from error


def _not_written(error: OSError, folder: Path, step: int) -> ResourceError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "free some space" if full else "remove what is in its place, or make it writable"
    return ResourceError(
        f"{error.filename2 or folder} cannot be written: {error.strerror or error}",
        hint=f"step {step} is saved: {remedy}, and run again to resume",
    )
