from __future__ import annotations

import base64
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path

from cgkit.report.record import Record, read_record
from cgkit.report.reproduction import reproduction
from tests.conftest import Result


def test_the_spec_and_the_command_reproduce_the_run(
    cgkit: Callable[..., Result], finished: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    instructions = reproduction(read_record(finished))
    assert instructions is not None
    kind, _, content = instructions.download.partition(",")
    assert kind == "data:application/toml;base64"
    assert base64.b64decode(content).decode() == instructions.spec
    Path("spec.toml").write_text(instructions.spec)
    program, *arguments = shlex.split(instructions.command)
    assert program == "cgkit"
    assert cgkit(*arguments).code == 0
    folder = tmp_path / "runs" / "tiny-again"
    assert (folder / "spec.resolved.json").read_text() == (finished / "spec.resolved.json").read_text()
    assert (folder / "evaluation.json").read_text() == (finished / "evaluation.json").read_text()


def test_packages_have_versions_that_pip_can_install() -> None:
    environment = {
        "packages": {"cgkit": "0.1.0", "torch": "2.14.1+cpu", "odd; rm -rf": "1"},
        "providers": {"cgkit-losses": "0.2", "my swirl.py": ""},
    }
    instructions = reproduction(Record(Path("run"), spec={"name": "a b"}, environment=environment))
    assert instructions is not None
    packages = ["torch==2.14.1", "odd; rm -rf==1", "cgkit-losses==0.2"]
    assert shlex.split(instructions.packages) == ["pip", "install", *packages]
    options = ["--output", "runs/a b-again", "--plugin", "my swirl.py"]
    assert shlex.split(instructions.command) == ["cgkit", "run", "spec.toml", *options]


def test_none_values_are_left_out_of_the_spec() -> None:
    instructions = reproduction(Record(Path("run"), spec={"name": "x", "train": {"ema": None, "betas": [0.5, None]}}))
    assert instructions is not None
    assert tomllib.loads(instructions.spec) == {"name": "x", "train": {"betas": [0.5]}}
    assert instructions.packages == ""


def test_there_are_no_instructions_without_a_resolved_spec() -> None:
    assert reproduction(Record(Path("run"), written="name = 1")) is None
