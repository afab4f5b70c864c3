"""The tracker that logs a run to MLflow."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking.client import MlflowClient

import cgkit
from cgkit.files.atomic import replace_text
from cgkit.hookspecs import RunView

CHECKPOINT = "checkpoint"
_BATCH = 100
"""Maximum number of parameters per MLflow request."""


class MLflow:
    """Logs a run to MLflow: its spec, losses, scores, samples, checkpoints and outcome.

    The id of the MLflow run is stored in `mlflow.json` in the run folder, so that a resumed run is logged to the same
    MLflow run. Steps that are repeated after resuming from a checkpoint are not logged again.

    Args:
        store: address of the MLflow store; by default that in MLFLOW_TRACKING_URI, or a database in the run folder.
        experiment: name of the MLflow experiment; by default that in MLFLOW_EXPERIMENT_NAME, or cgkit.
    """

    def __init__(self, folder: Path, *, store: str | None = None, experiment: str | None = None) -> None:
        # MLflow logs the creation of tables as info, which would garble the progress bar.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self._folder = folder.resolve()
        self._shared = store or os.environ.get("MLFLOW_TRACKING_URI")
        self._experiment = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME", "cgkit")

    def start(self, run: RunView) -> None:
        """Start an MLflow run, or continue the one to which this run was logged before, and log the spec."""
        self._run = run
        self._client = MlflowClient(tracking_uri=self._shared or f"sqlite:///{self._folder / 'mlflow.db'}")
        self._id = self._open()
        self._logged = self._last_logged()
        self._log_spec()

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Log the values of a step, unless that step had been logged before the run resumed."""
        if step > self._logged:
            self._log_metrics(step, values)

    def samples(self, step: int, file: Path) -> None:
        """Log a sample sheet."""
        self._client.log_artifact(self._id, str(file), "samples")

    def checkpoint(self, step: int, folder: Path) -> None:
        """Log the step and the folder of a checkpoint."""
        if step not in self._steps_of(CHECKPOINT):
            self._log_metrics(step, {CHECKPOINT: step})
        self._client.set_tag(self._id, "cgkit.checkpoint", str(folder))

    def finish(self, error: BaseException | None) -> None:
        """Log whether the run finished, was stopped or failed."""
        if error is not None:
            self._client.set_tag(self._id, "cgkit.error", f"{type(error).__name__}: {error}"[:5000])
        finished = self._run.folder.status().get("state") == "finished"
        self._client.set_terminated(self._id, "FAILED" if error is not None else "FINISHED" if finished else "KILLED")

    def rewind(self, step: int) -> None:
        """Do nothing: MLflow keeps what it has, so repeated steps are not logged again."""

    def close(self) -> None:
        """Do nothing: everything has been sent."""

    def _open(self) -> str:
        """Return the id of the MLflow run that the run folder names, or of a new MLflow run."""
        file = self._folder / "mlflow.json"
        store = self._shared or "mlflow.db"  # a relative path, because a run folder may be moved
        stored = _read(file)
        if stored.get("store") == store:
            try:
                self._client.update_run(stored["run_id"], status="RUNNING")
                return str(stored["run_id"])
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        experiment = self._client.get_experiment_by_name(self._experiment)
        artifacts = None if self._shared else (self._folder / "mlflow-artifacts").as_uri()
        experiment_id = (
            experiment.experiment_id if experiment else self._client.create_experiment(self._experiment, artifacts)
        )
        tags = {"cgkit.version": cgkit.__version__, "cgkit.folder": str(self._folder)}
        run_id: str = self._client.create_run(experiment_id, run_name=self._run.spec.name, tags=tags).info.run_id
        replace_text(file, json.dumps({"store": store, "run_id": run_id}, indent=2) + "\n")
        return run_id

    def _log_spec(self) -> None:
        """Log the resolved spec; MLflow parameters cannot be changed, so changed values become tags."""
        known = self._client.get_run(self._id).data.params
        values = dict(flatten(self._run.spec.to_json()))
        new = [Param(key, value) for key, value in values.items() if key not in known]
        for start in range(0, len(new), _BATCH):
            self._client.log_batch(self._id, params=new[start : start + _BATCH])
        changed = {key: value for key, value in values.items() if known.get(key, value) != value}
        tags = [RunTag(f"cgkit.changed.{key}", value) for key, value in changed.items()]
        if tags:
            self._client.log_batch(self._id, tags=tags)

    def _log_metrics(self, step: int, values: Mapping[str, float]) -> None:
        now = round(time.time() * 1000)
        self._client.log_batch(self._id, [Metric(name, float(value), now, step) for name, value in values.items()])

    def _last_logged(self) -> int:
        """Return the last step whose losses were logged, or 0."""
        names = self._client.get_run(self._id).data.metrics.keys() - {CHECKPOINT}
        return max((step for name in names for step in self._steps_of(name)), default=0)

    def _steps_of(self, name: str) -> set[int]:
        return {metric.step for metric in self._client.get_metric_history(self._id, name)}


def flatten(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted path and the text of every value in nested mappings and lists."""
    if isinstance(value, Mapping) and value:
        items = ((str(key), inner) for key, inner in value.items())
    elif isinstance(value, list) and value:
        items = ((str(number), inner) for number, inner in enumerate(value))
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)
        return
    for key, inner in items:
        yield from flatten(inner, f"{path}.{key}" if path else key)


def _read(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) and isinstance(values.get("run_id"), str) else {}
