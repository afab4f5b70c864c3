"""Log runs to MLflow. The plugin is active if installed, unless the environment variable CGKIT_MLFLOW is 0."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from cgkit import hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from cgkit.hookspecs import RunView
    from cgkit_mlflow.recorder import Recorder

_recorders: WeakKeyDictionary[RunView, Recorder] = WeakKeyDictionary()
"""The recorder of each logged run."""


@hookimpl
def cgkit_run_started(run: RunView) -> None:
    """Start an MLflow run, or continue the one to which this run was logged before."""
    if os.environ.get("CGKIT_MLFLOW") == "0":
        return
    from cgkit_mlflow.recorder import Recorder

    _recorders[run] = Recorder(run)


@hookimpl
def cgkit_step_finished(run: RunView, step: int, losses: Mapping[str, Tensor]) -> None:
    """Log the losses only every `log.every` steps and at the last step, because reading them waits for the device."""
    if run in _recorders and (step % run.spec.log.every == 0 or step == run.steps):
        _recorders[run].losses(step, losses)


@hookimpl
def cgkit_checkpoint_saved(run: RunView, step: int, folder: Path) -> None:
    """Log the checkpoint."""
    if run in _recorders:
        _recorders[run].checkpoint(step, folder)


@hookimpl
def cgkit_run_finished(run: RunView, error: BaseException | None) -> None:
    """Log the scores, the samples and the final status."""
    if recorder := _recorders.pop(run, None):
        recorder.finish(error)
