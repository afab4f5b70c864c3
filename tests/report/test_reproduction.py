from __future__ import annotations

import base64
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path

from cgkit.report.record import Record, read_record
from cgkit.report.reproduction import reproduction
from tests.conftest import Result


def test_the_spec_and_the_command_train_the_same_again(
    cgkit: Callable[..., Result], finished: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    again = reproduction(read_record(finished))
    assert again is not None
    kind, _, content = again.download.partition(",")
    assert kind == "data:application/toml;base64"
    assert base64.b64decode(content).decode() == again.spec
    Path("spec.toml").write_text(again.spec)
    program, *arguments = shlex.split(again.command)
    assert program == "cgkit"
    assert cgkit(*arguments).code == 0
    folder = tmp_path / "runs" / "tiny-again"
    assert (folder / "spec.resolved.json").read_text() == (finished / "spec.resolved.json").read_text()
    assert (folder / "evaluation.json").read_text() == (finished / "evaluation.json").read_text()


def test_packages_are_those_that_an_index_has() -> None:
    environment = {
        "packages": {"cgkit": "0.1.0", "torch": "2.14.1+cpu", "odd; rm -rf": "1"},
        "providers": {"cgkit-losses": "0.2", "my swirl.py": ""},
    }
    made = reproduction(Record(Path("run"), spec={"name": "a b"}, environment=environment))
    assert made is not None
    assert shlex.split(made.packages) == ["pip", "install", "torch==2.14.1", "odd; rm -rf==1", "cgkit-losses==0.2"]
    assert shlex.split(made.command) == [
        *("cgkit", "run", "spec.toml", "--output", "runs/a b-again", "--plugin", "my swirl.py")
    ]


def test_what_toml_cannot_say_is_left_out() -> None:
    made = reproduction(Record(Path("run"), spec={"name": "x", "train": {"ema": None, "betas": [0.5, None]}}))
    assert made is not None
    assert tomllib.loads(made.spec) == {"name": "x", "train": {"betas": [0.5]}}
    assert made.packages == ""


def test_without_a_resolved_spec_there_is_nothing_to_type() -> None:
    assert reproduction(Record(Path("run"), written="name = 1")) is None
