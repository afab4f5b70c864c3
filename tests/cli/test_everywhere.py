"""What all commands share: errors as JSON, silence, suggestions, and what a shell completes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result

Cli = Callable[..., Result]


def test_an_error_is_json_too_if_the_result_would_be(tiny_spec: Path, cgkit: Cli) -> None:
    result = cgkit("run", tiny_spec, "--json", "--set", "trian.steps=3", "--set", "seed=x")
    assert result.code == 2
    error = result.json["error"]
    assert error["exit_code"] == 2
    assert len(error["problems"]) == 2
    assert all(problem in result.err for problem in error["problems"])


def test_a_quiet_run_prints_its_scores_and_nothing_else(tiny_spec: Path, tmp_path: Path, cgkit: Cli) -> None:
    result = cgkit("run", tiny_spec, "--output", tmp_path / "run", "--quiet")
    assert result.code == 0
    assert "psnr" in result.out
    assert result.err == ""


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (["rn"], 'there is no command "rn"; did you mean "run"?'),
        (["nothing-like-it"], "cgkit --help lists all"),
        (["run", "SPEC", "--set", "size=64"], 'did you mean "data.size"?'),
        (["run", "SPEC", "--set", "every=64"], 'did you mean "checkpoint.every", "samples.every"'),
        (["run", "SPEC", "--set", "tracker=tensorboard"], 'write tracker = [{ name = "tensorboard" }]'),
        (["run", "SPEC", "--device", "mps"], "it needs a Mac"),
    ],
)
def test_a_mistake_has_a_suggestion(arguments: list[str], suggestion: str, tiny_spec: Path, cgkit: Cli) -> None:
    result = cgkit(*(str(tiny_spec) if argument == "SPEC" else argument for argument in arguments))
    assert result.code == 2
    assert suggestion in result.err


@pytest.mark.parametrize(
    ("written", "code", "message"),
    [
        (r'"data\trainA"', 3, "in TOML, write paths with / or in single quotes"),
        (r"'data\trainA'", 3, "in TOML, write paths with / or in single quotes"),
        ('""', 2, "data.a: should not be empty"),
    ],
)
def test_a_path_written_for_windows_or_left_empty_is_explained(
    written: str, code: int, message: str, tmp_path: Path, cgkit: Cli
) -> None:
    (tmp_path / "spec.toml").write_text(f'[data]\nsource = "folder"\na = {written}\nb = "b"\n')
    result = cgkit("check", tmp_path / "spec.toml")
    assert result.code == code
    assert message in result.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("cgkit wa", {"watch"}),
        ("cgkit describe adversarial", {"adversarial_loss"}),
        ("cgkit describe generator res", {"resnet"}),
        ("cgkit run spec.toml --set train.ep", {"train.epochs="}),
    ],
)
def test_a_shell_completes_commands_components_and_keys(words: str, expected: set[str]) -> None:
    own = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1), "_CGKIT_COMPLETE": "bash_complete"}
    command = [sys.executable, "-c", "from click.shell_completion import shell_complete; from cgkit.cli import cli; "
               "shell_complete(cli, {}, 'cgkit', '_CGKIT_COMPLETE', 'bash_complete')"]  # fmt: skip
    done = subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, timeout=60, check=True)
    assert {line.partition(",")[2] for line in done.stdout.split()} == expected


@pytest.mark.parametrize(
    ("folders", "called"),
    [
        (("horse2zebra/trainA", "horse2zebra/trainB"), "horse to zebra"),
        (("photos", "paintings"), "photos to paintings"),
        (("a", "b"), "a to b"),
    ],
)
def test_domains_are_called_as_their_folders(
    folders: tuple[str, str], called: str, tiny_spec: Path, image_folder: Callable[..., Path], cgkit: Cli
) -> None:
    first, second = map(image_folder, folders)
    data = f'[data]\nsource = "folder"\na = "{first}"\nb = "{second}"\nsize = 16\n[generator]'
    text = tiny_spec.read_text()
    tiny_spec.write_text(text[: text.index("[data]")] + data + text.partition("[generator]")[2])
    run = tiny_spec.parent / "run"
    assert cgkit("run", tiny_spec, "--output", run).code == 0
    assert f"<h3>{called}</h3>" in (run / "report.html").read_text()
    assert called in (run / "model" / "README.md").read_text()
