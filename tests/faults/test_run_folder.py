"""Whatever is wrong with a file of a run folder, each command answers at once, in a line, and harms nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result
from tests.faults.faults import COMMANDS, FAULTS, WRITES, contents, copy, time_limit
from tests.faults.table import expected

FILES = (
    ".lock",
    "changes.jsonl",
    "checkpoints/step-000000006/MANIFEST.json",
    "checkpoints/step-000000006/components.safetensors",
    "checkpoints/step-000000006/ema.safetensors",
    "checkpoints/step-000000006/model.safetensors",
    "checkpoints/step-000000006/optimizer.safetensors",
    "checkpoints/step-000000006/pool.safetensors",
    "checkpoints/step-000000006/state.json",
    "environment.json",
    "evaluation.json",
    "health.jsonl",
    "launch.json",
    "metrics.jsonl",
    "model/README.md",
    "model/config.json",
    "model/model.safetensors",
    "model/raw.safetensors",
    "report.html",
    "samples/step-000001.png",
    "samples/step-000006.png",
    "spec.original.toml",
    "spec.resolved.json",
    "spec.toml",
    "status.json",
)
ALIKE = (
    *("checkpoints/step-000000002/", "checkpoints/step-000000004/", "samples/step-000002.png"),
    *("samples/step-000004.png", "best/"),
)
"""Older checkpoints and samples, and the best model, whose files are those of `model`."""

QUICK = ("runs", "watch", "compare", "report")
"""Commands that take milliseconds."""

SLOWER = {
    "run": ("changes.jsonl", "health.jsonl", "launch.json", "metrics.jsonl", "spec.resolved.json", "spec.toml"),
    "translate": ("model/config.json", "model/model.safetensors"),
    "evaluate": ("spec.resolved.json",),
    "export": ("model/config.json",),
}
"""Other commands, with the files on which the short form tries them; `make faults` tries them on all."""

EVERY = "CGKIT_FAULTS" in os.environ


def test_the_list_has_every_file_of_a_run(intact: Path) -> None:
    run = intact / "run"
    found = {file.relative_to(run).as_posix() for file in run.rglob("*") if not file.is_dir()}
    assert {file for file in found if not file.startswith(ALIKE)} == set(FILES)


def check(cgkit: Callable[..., Result], intact: Path, tmp_path: Path, file: str, command: str, fault: str) -> None:
    run = copy(intact / "run", tmp_path / fault / "run")
    FAULTS[fault](run / file)
    before = contents(run)
    with time_limit():
        result = cgkit("--no-plugins", *COMMANDS[command](run, intact))
    lines = [line for line in result.err.splitlines() if line.startswith(("error: ", "warning: "))]
    code, text = expected(file, command, fault)
    cell = f"{file}, {fault}, {command}: {result.code}\n{result.err}"
    assert result.code == code, cell
    assert "Traceback" not in result.err, cell
    assert not lines if text is None else text in result.err, cell
    assert len(lines) <= 3 or file == "spec.toml", cell  # an emptied spec differs in many settings
    after = contents(run)
    if command != "run":
        written = {*WRITES.get(command, ()), ".lock"}
        assert {name: what for name, what in before.items() if name not in written} == {
            name: what for name, what in after.items() if name not in written
        }, cell
    elif code:  # what the run has learned
        kept = ("checkpoints/", "best/", "model/")
        assert {name: what for name, what in before.items() if name.startswith(kept)}.items() <= after.items(), cell


@pytest.mark.parametrize("file", FILES)
def test_quick_commands_name_a_damaged_file_or_do_without(
    cgkit: Callable[..., Result], intact: Path, tmp_path: Path, file: str
) -> None:
    for command in QUICK:
        for fault in FAULTS:
            check(cgkit, intact, tmp_path / command, file, command, fault)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "file"), [(command, file) for command, files in SLOWER.items() for file in (FILES if EVERY else files)]
)
def test_other_commands_name_a_damaged_file_or_do_without(
    cgkit: Callable[..., Result], intact: Path, tmp_path: Path, command: str, file: str
) -> None:
    for fault in FAULTS:
        check(cgkit, intact, tmp_path, file, command, fault)
