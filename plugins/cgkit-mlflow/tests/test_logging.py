"""Runs are logged to MLflow, and problems with MLflow do not stop a run."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cgkit_mlflow.tracker import flatten
from mlflow.entities import Run
from mlflow.tracking.client import MlflowClient

from cgkit.cli import main

Finished = Callable[..., str]

SPEC = """
name = "logged"
seed = 3

[data]
source = "seasons"
size = 16
train = 6
test = 2
workers = 0

[generator]
name = "resnet"
width = 4
blocks = 1

[discriminator]
name = "patch"
width = 4
layers = 1

[[augmentation]]
name = "flip"

[train]
steps = 9
batch = 2
precision = "fp32"

[[tracker]]
name = "mlflow"

[log]
every = 2
patience = {patience}

[checkpoint]
every = 3

[samples]
every = 9
count = 1

[evaluation]
count = 2
"""


BREAKING = """
import cgkit

class Breaking:
    calls = 0

    def __call__(self, reconstruction, target):
        self.calls += 1
        return (reconstruction - target).abs().mean() * (float("nan") if self.calls > 8 else 1)

@cgkit.hookimpl
def cgkit_register(registries):
    registries.reconstruction_losses.add("breaking", Breaking)
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    file = tmp_path / "spec.toml"
    file.write_text(SPEC.format(patience=60.0))
    return file


def start(spec: Path, folder: Path, *more: object, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cgkit", "run", spec, "--output", folder, *more]
    inherited = {name: value for name, value in os.environ.items() if "MLFLOW" not in name}
    return subprocess.Popen(
        list(map(str, command)),
        env={**inherited, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=spec.parent,
    )


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Finished:
    """Run a spec in this process, which avoids importing everything again, and return the output on stderr."""

    def run(spec: Path, folder: Path, *more: object, code: int = 0, **environment: str) -> str:
        with monkeypatch.context() as changed:
            for name in [name for name in os.environ if "MLFLOW" in name]:
                changed.delenv(name)
            for name, value in environment.items():
                changed.setenv(name, value)
            changed.chdir(spec.parent)
            with pytest.raises(SystemExit) as stop:
                main(["run", str(spec), "--output", str(folder), *map(str, more)])
        errors = capsys.readouterr().err
        assert (stop.value.code or 0) == code, errors
        return errors

    return run


def client(folder: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")


def logged(folder: Path) -> Run:
    """Return the only run in the store of a run folder."""
    store = client(folder)
    runs = store.search_runs([experiment.experiment_id for experiment in store.search_experiments()])
    assert len(runs) == 1
    return runs[0]


def history(folder: Path, name: str) -> list[tuple[int, float]]:
    metrics = client(folder).get_metric_history(logged(folder).info.run_id, name)
    return sorted((metric.step, metric.value) for metric in metrics)


def read_metrics(folder: Path) -> dict[int, dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line for line in lines}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run that logs every step."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "spec.toml").write_text(SPEC.format(patience=60.0))
    process = start(folder / "spec.toml", folder / "run", "--set", "log.every=1")
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert "mlflow" not in errors.lower()
    return folder / "run"


def test_spec_losses_checkpoints_scores_samples_and_status_are_logged(whole: Path) -> None:
    run = logged(whole)
    assert run.info.run_name == "logged"
    assert run.info.status == "FINISHED"
    resolved = json.loads((whole / "spec.resolved.json").read_text())
    assert run.data.params == dict(flatten(resolved))
    assert run.data.params["train.steps"] == "9"
    assert run.data.params["augmentation.0.name"] == "flip"
    assert [step for step, _ in history(whole, "checkpoint")] == [3, 6, 9]
    # Every step is recorded, so the mean of a loss since the previous record is the loss of a single step.
    losses = [name for name in run.data.metrics if name in read_metrics(whole)[3]]
    assert len(losses) >= 4
    for name in losses:
        values = dict(history(whole, name))
        assert sorted(values) == list(range(1, 10))
        assert [values[step] for step in range(1, 9)] == pytest.approx(
            [read_metrics(whole)[n][name] for n in range(1, 9)]
        )
    scores = json.loads((whole / "status.json").read_text())["scores"]
    assert scores
    for score in scores:
        assert history(whole, f"{score['name']}_{score['direction']}") == [(9, score["value"])]
    sheets = [artifact.path for artifact in client(whole).list_artifacts(run.info.run_id, "samples")]
    assert sheets == ["samples/step-000001.png", "samples/step-000009.png"]
    artifact = whole / "mlflow-artifacts" / run.info.run_id / "artifacts" / sheets[0]
    assert artifact.read_bytes() == (whole / sheets[0]).read_bytes()


def test_losses_are_logged_at_the_interval_of_the_spec(spec: Path, tmp_path: Path, finished: Finished) -> None:
    finished(spec, tmp_path / "run")
    losses = read_metrics(tmp_path / "run")[8].keys() - {"epoch", "time"}  # scores are logged with these, too
    names = [name for name in logged(tmp_path / "run").data.metrics if name in losses]
    assert names
    for name in names:
        assert [step for step, _ in history(tmp_path / "run", name)] == [2, 4, 6, 8, 9]


def test_a_killed_run_resumes_in_the_same_mlflow_run_without_repeated_steps(
    spec: Path, tmp_path: Path, whole: Path, finished: Finished
) -> None:
    folder = tmp_path / "run"
    # Checkpoints are less frequent than log entries, so some logged steps are repeated.
    settings = ["--set", "log.every=1", "--set", "checkpoint.every=5"]
    process = start(spec, folder, *settings, "--set", "train.steps=4000")
    deadline = time.monotonic() + 150
    while last_logged_step(folder) < 12:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = last_logged_step(folder)
    run_id = json.loads((folder / "mlflow.json").read_text())["run_id"]
    total = 10 * (before // 10 + 2)
    finished(spec, folder, *settings, "--set", f"train.steps={total}")
    run = logged(folder)
    assert run.info.run_id == run_id
    assert run.info.status == "FINISHED"
    name = next(name for name in run.data.metrics if name in read_metrics(whole)[3])
    assert [step for step, _ in history(folder, name)] == list(range(1, total + 1))
    assert [step for step, _ in history(folder, "checkpoint")] == list(range(5, total + 1, 5))
    assert run.data.params["train.steps"] == "4000"
    assert run.data.tags["cgkit.changed.train.steps"] == str(total)
    # Entries from before the kill are kept.
    assert dict(history(folder, name))[1] == pytest.approx(dict(history(whole, name))[1])


def last_logged_step(folder: Path) -> int:
    try:
        with sqlite3.connect(f"file:{folder / 'mlflow.db'}?mode=ro", uri=True) as store:
            return int(store.execute("select coalesce(max(step), 0) from metrics").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_a_stopped_run_has_the_status_killed_and_a_failed_one_failed(
    spec: Path, tmp_path: Path, finished: Finished
) -> None:
    process = start(spec, tmp_path / "run", "--set", "train.steps=4000", "--set", "log.every=1")
    while last_logged_step(tmp_path / "run") < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 75
    assert logged(tmp_path / "run").info.status == "KILLED"
    (tmp_path / "breaking.py").write_text(BREAKING)
    breaking = ["--plugin", tmp_path / "breaking.py", "--set", "cycle_loss.name=breaking"]
    finished(spec, tmp_path / "bad", *breaking, code=6)
    failed = logged(tmp_path / "bad")
    assert failed.info.status == "FAILED"
    assert "DivergedError" in failed.data.tags["cgkit.error"]


def test_a_spec_without_the_tracker_is_not_logged(spec: Path, tmp_path: Path, finished: Finished) -> None:
    finished(spec, tmp_path / "run", "--set", "tracker=[]")
    assert (tmp_path / "run" / "metrics.jsonl").exists()
    assert not list((tmp_path / "run").glob("mlflow*"))


def test_the_spec_can_set_the_store_and_the_experiment(spec: Path, tmp_path: Path, finished: Finished) -> None:
    store = f"sqlite:///{tmp_path / 'shared.db'}"
    finished(spec, tmp_path / "run", "--set", f"tracker=[{{name='mlflow', store='{store}', experiment='mine'}}]")
    assert MlflowClient(tracking_uri=store).get_experiment_by_name("mine") is not None
    assert not list((tmp_path / "run").glob("mlflow*.db"))


def test_the_environment_can_set_the_store_and_the_experiment(spec: Path, tmp_path: Path, finished: Finished) -> None:
    store = f"sqlite:///{tmp_path / 'shared.db'}"
    for name in ("one", "two"):
        finished(spec, tmp_path / name, MLFLOW_TRACKING_URI=store, MLFLOW_EXPERIMENT_NAME="mine")
    shared = MlflowClient(tracking_uri=store)
    experiment = shared.get_experiment_by_name("mine")
    assert experiment is not None
    folders = {run.data.tags["cgkit.folder"] for run in shared.search_runs([experiment.experiment_id])}
    assert folders == {str(tmp_path / "one"), str(tmp_path / "two")}
    assert not list((tmp_path / "one").glob("mlflow*.db"))


def warnings_in(errors: str) -> list[str]:
    """Return the warnings, each joined to one line."""
    lines = "\n".join(errors.splitlines()).split("\nwarning: ")[1:]
    return [" ".join(line.partition("\nstep ")[0].split()) for line in lines]


def test_a_store_that_cannot_be_written_causes_one_warning(spec: Path, tmp_path: Path, finished: Finished) -> None:
    (tmp_path / "file").write_text("not a folder")
    errors = finished(spec, tmp_path / "run", MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path / 'file' / 'x.db'}")
    (warning,) = warnings_in(errors)
    assert warning.startswith("tracker mlflow, in start, failed: ")
    assert warning.endswith("it is not called again")
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "finished"


@pytest.fixture
def hanging() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    listening = socket.create_server(("127.0.0.1", 0))
    accepted: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                accepted.append(listening.accept()[0])
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    assert accepted  # the plugin tried to log the run
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def test_a_hanging_server_causes_one_warning_after_the_patience_of_the_spec(
    spec: Path, tmp_path: Path, hanging: str, finished: Finished
) -> None:
    spec.write_text(SPEC.format(patience=3.0))
    started = time.monotonic()
    errors = finished(spec, tmp_path / "run", MLFLOW_TRACKING_URI=hanging)
    assert time.monotonic() - started < 90
    (warning,) = warnings_in(errors)
    assert warning.startswith("tracker mlflow, in start, did not return within 3 seconds")
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "finished"


def test_a_spec_is_flattened_to_dotted_paths() -> None:
    spec = {"a": {"b": [1, {"c": None}]}, "d": "x", "e": {}, "f": [], "g": True}
    assert dict(flatten(spec)) == {"a.b.0": "1", "a.b.1.c": "null", "d": "x", "e": "{}", "f": "[]", "g": "true"}
