"""`cgkit runs`: the runs below a folder, with their states, and as a leaderboard."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from cgkit.runs.start import run
from tests.conftest import TINY, Result

Cli = Callable[..., Result]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("listed")
    (folder / "spec.toml").write_text(TINY)
    return run(folder / "spec.toml", overrides=["evaluation.every=2", "log.every=1"], output=folder / "run").folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copies the finished run to a folder in `runs`, and changes its status."""

    def make(name: str, **status: object) -> Path:
        folder = Path(shutil.copytree(finished, tmp_path / "runs" / name))
        values = json.loads((folder / "status.json").read_text())
        (folder / "status.json").write_text(json.dumps({**values, **status}))
        return folder

    return make


def scale_scores(folder: Path, factor: float) -> None:
    """Multiply all scores of a run, those in its history too."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    scaled = [{name: value * (1 if name == "step" else factor) for name, value in line.items()} for line in lines]
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in scaled))
    evaluation = json.loads((folder / "evaluation.json").read_text())
    for number in evaluation["numbers"]:
        number["value"] *= factor
    (folder / "evaluation.json").write_text(json.dumps(evaluation))


def rows(result: Result) -> list[list[str]]:
    return [line.split() for line in result.out.splitlines()]


def states(cgkit: Cli, folder: Path) -> dict[str, str]:
    listed = cgkit("runs", folder, "--json").json["runs"]
    return {os.path.relpath(each["folder"], folder): each["state"] for each in listed}


def test_all_runs_are_listed_with_steps_score_and_age(
    cgkit: Cli, copy: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    copy("plain")
    copy("study/deep/stopped", state="stopped", step=2)
    for folder in ("empty", "images", ".hidden/plain"):
        (tmp_path / "runs" / folder).mkdir(parents=True)
    shutil.copytree(tmp_path / "runs" / "plain" / "model", tmp_path / "runs" / "only-a-model")
    result = cgkit("runs")
    assert result.code == 0
    heading, plain, stopped = rows(result)
    assert heading == ["run", "state", "step", "score", "age"]
    assert plain[:4] == ["plain", "finished", "4/4", "psnr"]
    assert stopped[:4] == ["study/deep/stopped", "stopped", "4/4", "psnr"]
    assert max(map(len, result.out.splitlines())) <= 80
    assert cgkit("runs", tmp_path / "runs" / "study").out.splitlines()[1].startswith("deep/stopped")
    assert cgkit("runs", tmp_path / "runs" / "plain").out.count("finished") == 1


def test_a_run_is_running_only_as_long_as_its_process_holds_the_lock(
    cgkit: Cli, copy: Callable[..., Path], tmp_path: Path
) -> None:
    for name in ("held", "dead"):
        copy(name, state="running")
    copy("resuming", state="stopped")
    with FileLock(tmp_path / "runs/held/.lock"), FileLock(tmp_path / "runs/resuming/.lock"):
        assert states(cgkit, tmp_path / "runs") == {"held": "running", "dead": "killed", "resuming": "running"}
    assert states(cgkit, tmp_path / "runs") == {"held": "killed", "dead": "killed", "resuming": "stopped"}


def test_a_run_that_is_killed_is_listed_as_killed(
    cgkit: Cli, tmp_path: Path, forked_run: Callable[..., int], tiny_spec: Path
) -> None:
    tiny_spec.write_text(tiny_spec.read_text().replace("steps = 4", "steps = 100000") + "\n[log]\nevery = 1\n")
    process = forked_run(tiny_spec, tmp_path / "runs" / "run")
    history, started = tmp_path / "runs" / "run" / "metrics.jsonl", time.monotonic()
    while not (history.exists() and history.read_text()):
        assert time.monotonic() < started + 60
        time.sleep(0.05)
    listed = cgkit("runs", tmp_path / "runs", "--json").json["runs"][0]
    assert (listed["state"], listed["steps"]) == ("running", 100_000)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    listed = cgkit("runs", tmp_path / "runs", "--json").json["runs"][0]
    assert (listed["state"], listed["step"] >= 1) == ("killed", True)


@pytest.mark.parametrize("name", ["status.json", "spec.resolved.json"])
def test_a_damaged_run_is_listed_with_what_is_damaged(
    cgkit: Cli, copy: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    copy("sound")
    (copy("broken") / name).write_text("{")
    assert states(cgkit, tmp_path / "runs") == {"broken": "damaged", "sound": "finished"}
    result = cgkit("runs", tmp_path / "runs")
    assert result.code == 0
    assert f"{tmp_path / 'runs' / 'broken' / name} cannot be read" in result.err


@pytest.mark.parametrize(("metric", "order"), [("psnr", "cab"), ("l1", "bac"), ("psnr_b2a", "cab")])
def test_runs_are_ranked_by_what_the_metric_declares_better(
    cgkit: Cli, copy: Callable[..., Path], tmp_path: Path, metric: str, order: str
) -> None:
    for name, factor in (("a", 1), ("b", 0.5), ("c", 2)):
        scale_scores(copy(name), factor)
    (copy("d") / "metrics.jsonl").unlink()
    (tmp_path / "runs" / "d" / "evaluation.json").unlink()
    result = cgkit("runs", tmp_path / "runs", "--sort", metric)
    assert [row[0] for row in rows(result)] == ["run", *order, "d"]
    assert rows(result)[0][3] == metric
    values = cgkit("runs", tmp_path / "runs", "--sort", metric, "--json").json["runs"]
    assert [Path(each["folder"]).name for each in values] == [*order, "d"]
    scores = [values[0]["scores"][name] for name in values[0]["scores"] if name.startswith(metric)]
    assert values[0]["score"] == pytest.approx(sum(scores) / len(scores))


def test_a_run_that_still_trains_is_ranked_by_what_it_recorded(
    cgkit: Cli, copy: Callable[..., Path], tmp_path: Path
) -> None:
    folder = copy("unfinished", state="stopped")
    (folder / "evaluation.json").unlink()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    newest = [line["psnr_a2b"] for line in lines if "psnr_a2b" in line][-1]
    listed = cgkit("runs", tmp_path / "runs", "--sort", "psnr_a2b", "--json").json["runs"][0]
    assert listed["score"] == newest


def test_scores_that_were_measured_differently_get_a_remark(
    cgkit: Cli, copy: Callable[..., Path], tmp_path: Path
) -> None:
    copy("a")
    evaluation = json.loads((copy("b") / "evaluation.json").read_text())
    for number in evaluation["numbers"]:
        number["protocol"]["n"] = 99
    assert "measured psnr differently" not in cgkit("runs", tmp_path / "runs", "--sort", "psnr").err
    (tmp_path / "runs" / "b" / "evaluation.json").write_text(json.dumps(evaluation))
    assert "some runs measured psnr differently" in cgkit("runs", tmp_path / "runs", "--sort", "psnr").err


def test_a_metric_that_no_run_has_is_refused(cgkit: Cli, copy: Callable[..., Path], tmp_path: Path) -> None:
    copy("a")
    result = cgkit("runs", tmp_path / "runs", "--sort", "psmr")
    assert result.code == 2
    assert "no run has a score 'psmr'; known scores: psnr_a2b, psnr_b2a" in result.err


def test_a_folder_without_runs_is_empty_and_a_missing_one_is_refused(cgkit: Cli, tmp_path: Path) -> None:
    result = cgkit("runs", tmp_path)
    assert (result.code, result.out, "contains no runs" in result.err) == (0, "", True)
    assert cgkit("runs", tmp_path, "--json").json == {"schema": 1, "runs": []}
    assert cgkit("runs", tmp_path / "none").code == 2
