"""Train the run of a trial rung by rung, until it ends or Optuna prunes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna

import cgkit
from cgkit.display.reporter import Silence
from cgkit.errors import CgkitError, DivergedError, UsageError
from cgkit.runs.scores.evaluate import evaluate
from cgkit_optuna.study import STEPS, folder_of, sampler_of, suggest
from cgkit_optuna.sweep import Sweep, override


class StoppedError(Exception):
    """A signal stopped a trial, whose run is saved."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass
class Trainer:
    """Trains trials; an instance is the objective of an Optuna study.

    Args:
        study: the study.
        sweep: the sweep.
        folder: the folder of the sweep.
        plugins: the loaded plugins.
        device: the device to train on; see `cgkit.run`.
        say: called with one line for each event.
        warn: called with one line for each warning of a run.
        is_stopping: returns whether a signal has asked to stop, also while no run was training.
    """

    study: optuna.Study
    sweep: Sweep
    folder: Path
    plugins: Any
    device: str | None
    say: Callable[[str], None]
    warn: Callable[[str], None]
    is_stopping: Callable[[], bool]

    def __call__(self, trial: optuna.Trial) -> float:
        """Train a trial to its end, and return its score.

        Raises:
            TrialPruned: its score at a rung is not among the best, or it diverged.
            StoppedError: a signal stopped it.
            CgkitError: it cannot be trained.
        """
        self.study.sampler = sampler_of(self.study, self.sweep.seed, trial.number)
        values = {
            name: suggest(trial, name, parameter.distribution) for name, parameter in self.sweep.parameters.items()
        }
        settings = [override(path, value) for path, value in values.items()]
        name = f"trial {trial.number}"
        self.say(f"{name}: {', '.join(settings)}")
        try:
            return self._train(trial, settings)
        except DivergedError as error:
            self.warn(f"{name} diverged: {error.message}")
            raise optuna.TrialPruned from error
        except CgkitError:
            self.warn(f"{name} with {', '.join(settings)} failed; it is not tried again")
            raise

    def _train(self, trial: optuna.Trial, settings: list[str]) -> float:
        known = self.study.get_trials(deepcopy=False)[trial.number]
        folder = folder_of(self.folder, known)
        for rung in self.sweep.pruning.rungs() if self.sweep.pruning else repeat(None):
            if rung is not None and rung <= max(known.intermediate_values, default=0):
                continue
            outcome = self._run(folder, settings, rung)
            trial.set_user_attr(STEPS, outcome.step)
            if outcome.state == "finished":
                return self._score(outcome.scores)
            if rung is None or outcome.step < rung:
                raise StoppedError(trial.number)
            self._report(trial, folder, rung)
            if self.is_stopping():
                raise StoppedError(trial.number)
        raise AssertionError("a run ends at some rung")

    def _run(self, folder: Path, settings: list[str], rung: int | None) -> Any:
        return cgkit.run(
            self.sweep.spec,
            overrides=settings,
            output=folder,
            device=self.device,
            until=rung,
            plugins=self.plugins,
            reporter=_Warnings(self.warn, folder.name),
        )

    def _report(self, trial: optuna.Trial, folder: Path, rung: int) -> None:
        numbers = evaluate(f"{folder}@{rung}", plugins=self.plugins, device=self.device, report=self.warn).numbers
        score = self._score(numbers)
        trial.report(score, rung)
        pruned = trial.should_prune()
        self.say(f"trial {trial.number}: {score:.4g} at step {rung}, {'pruned' if pruned else 'goes on'}")
        if pruned:
            raise optuna.TrialPruned

    def _score(self, numbers: Iterable[Any]) -> float:
        directions = ("a2b", "b2a") if self.sweep.direction == "both" else (self.sweep.direction,)
        named = [number for number in numbers if number.direction in directions]
        values = [number.value for number in named if number.name == self.sweep.metric]
        if not values:
            known = ", ".join(dict.fromkeys(number.name for number in named)) or "none"
            problem = f"{self.sweep.metric} is not among the metrics that {self.sweep.spec} computes: {known}"
            raise UsageError(problem, hint=f'add [[metric]] with name = "{self.sweep.metric}"')
        return fmean(values)


class _Warnings(Silence):
    """Passes on the warnings of a run and nothing else."""

    def __init__(self, warn: Callable[[str], None], name: str) -> None:
        self._warn = warn
        self._name = name

    def warning(self, text: str, traceback: str = "") -> None:
        self._warn(f"{self._name}: {text}")
