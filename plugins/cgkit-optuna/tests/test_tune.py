"""`cgkit tune` trains trials, prunes bad ones, writes the best spec, and continues exactly where it was stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from cgkit.cli import main

EXAMPLES = Path(__file__).parents[1] / "examples"

SPEC = """
name = "small"
[data]
source = "seasons"
size = 16
train = 4
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
[train]
steps = 8
batch = 1
precision = "fp32"
[samples]
every = 100
count = 1
[[metric]]
name = "l1"
"""

SWEEP = """
spec = "spec.toml"
metric = "l1"
trials = 5
seed = 3

[parameters]
"train.learning_rate" = { low = 1e-5, high = 1e-2, log = true }
"generator.blocks" = { low = 1, high = 2 }
"objective.cycle" = { choices = [1.0, 10.0] }

[pruning]
first = 2
factor = 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "spec.toml").write_text(SPEC)
    (tmp_path / "sweep.toml").write_text(SWEEP)
    return tmp_path


def start(folder: Path, *arguments: str, sweep: str | Path = "sweep.toml") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cgkit", "tune", str(sweep), "--device", "cpu", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def tune(folder: Path, *arguments: str, sweep: str | Path = "sweep.toml", code: int = 0) -> str:
    process = start(folder, *arguments, sweep=sweep)
    _, errors = process.communicate()
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    return errors


def study(folder: Path, name: str = "sweep") -> optuna.Study:
    return optuna.load_study(study_name=name, storage=f"sqlite:///{folder / 'sweeps' / name / 'study.db'}")


def results(folder: Path, name: str = "sweep") -> list[tuple[dict[str, Any], dict[int, float], list[float] | None]]:
    """Return the settings, the scores at rungs and the final score of each trial that was not continued by another."""
    trials = [trial for trial in study(folder, name).trials if trial.state != TrialState.FAIL]
    return [(trial.params, trial.intermediate_values, trial.values) for trial in trials]


def test_bad_trials_are_pruned_at_rungs_and_the_best_spec_is_written(folder: Path) -> None:
    said = tune(folder)
    trials = study(folder).trials
    assert len(trials) == 5
    states = [trial.state for trial in trials]
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in trials:
        run = folder / "sweeps" / "sweep" / "trials" / f"{trial.number:05d}"
        status = json.loads((run / "status.json").read_text())
        resolved = json.loads((run / "spec.resolved.json").read_text())
        assert resolved["train"]["steps"] == 8
        assert resolved["generator"]["a2b"]["blocks"] == trial.params["generator.blocks"]
        if trial.state == TrialState.COMPLETE:
            assert (status["state"], status["step"]) == ("finished", 8)
            assert set(trial.intermediate_values) == {2, 4}
        else:
            assert (status["state"], status["step"]) == ("stopped", max(trial.intermediate_values))
    trained = sum(max(trial.intermediate_values) if trial.state == TrialState.PRUNED else 8 for trial in trials)
    assert f"{states.count(TrialState.COMPLETE)} trials complete" in said
    assert f"{trained} steps trained" in said
    best = tomllib.loads((folder / "sweeps" / "sweep" / "best.toml").read_text())
    assert best["train"]["learning_rate"] == study(folder).best_trial.params["train.learning_rate"]
    assert study(folder).best_value == min(trial.value or 9 for trial in trials if trial.state == TrialState.COMPLETE)
    check = [sys.executable, "-m", "cgkit", "check", "sweeps/sweep/best.toml"]
    assert subprocess.run(check, cwd=folder, check=False, capture_output=True).returncode == 0


def test_a_trial_in_parts_has_the_score_of_a_run_in_one_part(folder: Path) -> None:
    tune(folder)
    command = [sys.executable, "-m", "cgkit", "run", "sweeps/sweep/best.toml", "--output", "again", "--device", "cpu"]
    assert subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode == 0
    numbers = json.loads((folder / "again" / "evaluation.json").read_text())["numbers"]
    assert sum(number["value"] for number in numbers) / 2 == study(folder).best_value


def test_a_stopped_or_killed_sweep_has_the_results_of_an_uninterrupted_one(folder: Path) -> None:
    (folder / "spec.toml").write_text(SPEC.replace("steps = 8", "steps = 40") + "[checkpoint]\nevery = 5\n")
    (folder / "sweep.toml").write_text(SWEEP.partition("[pruning]")[0].replace("trials = 5", "trials = 3"))
    tune(folder, "--output", "sweeps/whole")
    for ending in (signal.SIGTERM, signal.SIGKILL):
        process = start(folder, "--output", "sweeps/parts", "--patience", "3")
        await_checkpoint(folder / "sweeps" / "parts" / "trials" / "00000", later_than=steps_of(folder))
        process.send_signal(ending)
        _, errors = process.communicate()
        assert process.returncode == (75 if ending == signal.SIGTERM else -signal.SIGKILL), errors
        assert ("run the same command again" in errors) is (ending == signal.SIGTERM)
    tune(folder, "--output", "sweeps/parts", "--patience", "3")
    assert sorted(results(folder, "parts"), key=str) == sorted(results(folder, "whole"), key=str)
    assert len(list((folder / "sweeps" / "parts" / "trials").iterdir())) == 3


def test_a_job_at_its_time_limit_is_requeued_and_goes_on(folder: Path) -> None:
    (folder / "spec.toml").write_text(SPEC.replace("steps = 8", "steps = 40") + "[checkpoint]\nevery = 5\n")
    (folder / "sweep.toml").write_text(SWEEP.partition("[pruning]")[0].replace("trials = 5", "trials = 1"))
    (folder / "bin").mkdir()
    (folder / "bin" / "cgkit").write_text(f'#!/bin/bash\nexec {sys.executable} -m cgkit "$@" --device cpu\n')
    (folder / "bin" / "scontrol").write_text(f'#!/bin/bash\necho "$@" >> {folder / "requeued"}\n')
    for command in (folder / "bin").iterdir():
        command.chmod(0o755)
    job = {"SLURM_ARRAY_JOB_ID": "42", "SLURM_ARRAY_TASK_ID": "3", "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    environment = {**os.environ, **job, "OMP_NUM_THREADS": "1", "STORAGE": f"sqlite:///{folder / 'study.db'}"}
    script = ["bash", str(EXAMPLES / "sweep.sh"), "sweep.toml", "sweeps/parts"]
    process = subprocess.Popen(script, cwd=folder, env=environment)
    await_checkpoint(folder / "sweeps" / "parts" / "trials" / "00000", later_than=0)
    process.send_signal(signal.SIGTERM)  # as SLURM does, only to the script
    assert process.wait() == 0
    assert (folder / "requeued").read_text() == "requeue 42_3\n"
    assert subprocess.run(script, cwd=folder, env=environment, check=False).returncode == 0
    assert (folder / "sweeps" / "parts" / "best.toml").exists()
    del environment["STORAGE"]
    failed = subprocess.run(script, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    assert failed.returncode != 0
    assert "STORAGE: names no database" in failed.stderr


def steps_of(folder: Path) -> int:
    """Return the step of the newest checkpoint of the first trial of the sweep in parts; 0 if there is none."""
    found = (folder / "sweeps" / "parts" / "trials" / "00000" / "checkpoints").glob("step-*[0-9]")
    return max((int(path.name.rpartition("-")[2]) for path in found), default=0)


def await_checkpoint(run: Path, later_than: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and steps_of(run.parents[3]) <= later_than:
        time.sleep(0.01)


def test_two_processes_share_a_study(folder: Path) -> None:
    processes = [start(folder, "--patience", "5") for _ in range(2)]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    finished = [trial for trial in study(folder).trials if trial.state.is_finished()]
    assert 5 <= len(finished) <= 6
    assert all(trial.state != TrialState.FAIL for trial in finished)
    learning_rates = [trial.params["train.learning_rate"] for trial in finished]
    assert len(set(learning_rates)) == len(finished)
    assert all(re.search(r"^trial \d+: train", error, re.MULTILINE) for error in errors)


def test_more_trials_can_be_added_but_nothing_else_changed(folder: Path) -> None:
    (folder / "sweep.toml").write_text(SWEEP.replace("trials = 5", "trials = 1"))
    tune(folder)
    (folder / "sweep.toml").write_text(SWEEP.replace("trials = 5", "trials = 2"))
    tune(folder)
    assert len(study(folder).trials) == 2
    (folder / "sweep.toml").write_text(SWEEP.replace("high = 2 }", "high = 3 }"))
    assert "trials of another sweep" in tune(folder, code=2)


def test_a_dry_run_writes_nothing_and_says_what_pruning_saves(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    said = tune(folder, "--dry-run")
    assert sorted(folder.rglob("*")) == before
    assert "rungs: steps 2, 4 of 8" in said
    assert "2.5 times the steps of a complete trial" in said


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("low = 1, high = 2", "low = -1, high = 2", "blocks"),
        ("low = 1, high = 2", "low = 3, high = 2", 'sweep.toml:9: parameters."generator.blocks"'),
        ("low = 1, high = 2", "low = 1", "give either low and high, or choices"),
        ("train.learning_rate", "train.learning_rat", "did you mean"),
        ("train.learning_rate", "train.steps", "cannot be compared"),
        ('metric = "l1"', 'metric = "l3"', "l3"),
        ('metric = "l1"', 'metric = "source-similarity"', 'set better = "higher" or "lower"'),
        ('metric = "l1"', 'metric = "ssim"', "not among the metrics that"),
        ("spec.toml", "none.toml", "there is no file"),
        ("trials = 5", "trials = 0", "trials"),
        ("[pruning]", "[prunning]", 'prunning: unknown key; did you mean "pruning"?'),
        ("factor", "factr", 'pruning.factr: unknown key; did you mean "factor"?'),
        ("[pruning]", "[pruning", "not valid TOML"),
    ],
)
def test_a_wrong_sweep_is_explained(
    folder: Path, old: str, new: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "sweep.toml").write_text(SWEEP.replace(old, new))
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as stop:
        main(["tune", "sweep.toml", "--device", "cpu"])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


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


def test_a_trial_that_diverges_is_pruned_and_plugin_files_are_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "breaking.py").write_text(BREAKING)
    (folder / "spec.toml").write_text(SPEC + '[cycle_loss]\nname = "breaking"\n')
    (folder / "sweep.toml").write_text(SWEEP.replace("trials = 5", "trials = 1"))
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as stop:
        main(["--plugin", "breaking.py", "tune", "sweep.toml", "--device", "cpu"])
    said = capsys.readouterr().err
    assert not stop.value.code, said
    assert "trial 0 diverged" in said
    assert "no trial is complete" in said
    assert study(folder).trials[0].state == TrialState.PRUNED


def test_the_example_can_be_run(folder: Path) -> None:
    said = tune(folder, "--dry-run", sweep=EXAMPLES / "sweep.toml")
    assert "64 trials of" in said
    assert "rungs: steps 10, 40 of 160" in said
