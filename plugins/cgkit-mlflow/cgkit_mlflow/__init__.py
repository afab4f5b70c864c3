"""Runs logged to MLflow. Active wherever it is installed, unless the environment variable CGKIT_MLFLOW is 0."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from cgkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from cgkit.runs.run import Run
    from cgkit_mlflow.recorder import Recorder

_recorders: WeakKeyDictionary[Run, Recorder] = WeakKeyDictionary()
"""One a run; none where logging is switched off."""


@hookimpl
def cgkit_run_started(run: Run) -> None:
    """Open the MLflow run, or the one that an earlier part of this run logged to."""
    if os.environ.get("CGKIT_MLFLOW") == "0":
        return
    from cgkit_mlflow.recorder import Recorder

    _recorders[run] = Recorder(run)


@hookimpl
def cgkit_step_finished(run: Run, step: int, losses: Mapping[str, Tensor]) -> None:
    """Log the losses where the spec's `log.every` says so; at other steps the device is not waited for."""
    if run in _recorders and (step % run.spec.log.every == 0 or step == run.steps):
        _recorders[run].losses(step, losses)


@hookimpl
def cgkit_checkpoint_saved(run: Run, step: int, folder: Path) -> None:
    """Log that there is a checkpoint of this step."""
    if run in _recorders:
        _recorders[run].checkpoint(step, folder)


@hookimpl
def cgkit_run_finished(run: Run, error: BaseException | None) -> None:
    """Log the scores, the samples and how the run ended."""
    if recorder := _recorders.pop(run, None):
        recorder.finish(error)
