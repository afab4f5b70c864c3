"""The folder of a run and its newest checkpoint agree on the spec, or the run says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result

Run = Callable[..., Result]


@pytest.fixture
def run(cgkit: Run, tiny_spec: Path, tmp_path: Path) -> Path:
    """A run of four steps."""
    assert cgkit("run", tiny_spec, "--output", tmp_path / "run").code == 0
    return tmp_path / "run"


def resolved(run: Path) -> Path:
    return run / "spec.resolved.json"


@pytest.mark.parametrize("content", [None, "", "{", "[]"])
def test_a_lost_spec_is_restored_from_the_checkpoint(cgkit: Run, run: Path, content: str | None) -> None:
    before = json.loads(resolved(run).read_text())
    resolved(run).unlink()
    if content is not None:
        resolved(run).write_text(content)
    refused = cgkit("run", run, "--set", "train.learning_rate=0.1", "--set", "train.steps=5")
    assert refused.code == 2
    assert "train.learning_rate: was 0.0002" in refused.err
    result = cgkit("run", run, "--set", "train.steps=5")
    assert result.code == 0, result.err
    assert "spec.resolved.json" in result.err
    assert "it is used as the newest checkpoint has it" in result.err
    before["train"]["steps"] = 5
    assert json.loads(resolved(run).read_text()) == before


def test_a_spec_that_was_edited_is_refused_and_can_be_restored(cgkit: Run, run: Path) -> None:
    values = json.loads(resolved(run).read_text())
    values["train"]["learning_rate"] = 0.1
    resolved(run).write_text(json.dumps(values))
    result = cgkit("run", run, "--set", "train.steps=5")
    assert result.code == 5
    assert "train.learning_rate is 0.1, not 0.0002; remove it to restore it from the checkpoint" in result.err
    resolved(run).unlink()
    assert cgkit("run", run, "--set", "train.steps=5").code == 0


def test_settings_that_may_change_need_no_agreement(cgkit: Run, run: Path) -> None:
    values = json.loads(resolved(run).read_text())
    values["samples"]["every"] = 1
    resolved(run).write_text(json.dumps(values))
    assert cgkit("run", run, "--set", "train.steps=5").code == 0


def test_a_declared_change_that_no_checkpoint_has_yet_is_no_edit(cgkit: Run, run: Path, tiny_spec: Path) -> None:
    values = json.loads(resolved(run).read_text())
    values["train"]["learning_rate"] = 0.1
    resolved(run).write_text(json.dumps(values))
    line = {"path": "train.learning_rate", "old": 0.0002, "new": 0.1, "step": 4}
    (run / "changes.jsonl").write_text(json.dumps(line) + "\n")  # as after a start that was killed
    result = cgkit("run", tiny_spec, "--output", run, "--set", "train.learning_rate=0.1", "--set", "train.steps=5")
    assert result.code == 0, result.err


def test_a_damaged_spec_without_any_checkpoint_says_how_to_start_again(
    cgkit: Run, tiny_spec: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    resolved(run).write_text("")
    result = cgkit("run", tiny_spec, "--output", run)
    assert result.code == 5
    assert f"remove {resolved(run)} to start it again" in result.err
    resolved(run).unlink()
    assert cgkit("run", tiny_spec, "--output", run).code == 0


def test_other_versions_are_said_when_a_run_continues(cgkit: Run, run: Path) -> None:
    file = run / "environment.json"
    values = json.loads(file.read_text())
    values["packages"]["torch"] = "2.11.0+old"
    file.write_text(json.dumps(values))
    result = cgkit("run", run, "--set", "train.steps=5")
    assert result.code == 0
    assert "up to step 4, the run was trained with torch 2.11.0+old (now " in result.err
    assert "trained with" not in cgkit("run", run, "--set", "train.steps=6").err
