"""`--traceback` shows where in a plugin an exception was raised; without it, an error is one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result

Cli = Callable[..., Result]

PLUGIN = """
import cgkit
from torch import nn


class Clumsy(nn.Sequential):
    '''Fails as often as it is asked to.'''

    def __init__(self, in_channels: int, out_channels: int, *, early: bool = False) -> None:
        '''
        Args:
            early: whether to fail when it is built.
        '''
        super().__init__(nn.Conv2d(in_channels, out_channels, 1))
        if early:
            stumble()

    def forward(self, images):
        stumble()


class Smog(nn.Module):
    '''Fails on every image.'''

    role = "data"

    def forward(self, images):
        stumble()


class Deaf:
    '''Fails to record.'''

    def __init__(self, folder):
        pass

    def rewind(self, step):
        stumble()


def stumble():
    raise KeyError("the stone")


@cgkit.hookimpl
def cgkit_register(registries):
    registries.generators.add("clumsy", Clumsy)
    registries.augmentations.add("smog", Smog)
    registries.trackers.add("deaf", Deaf)


@cgkit.hookimpl
def cgkit_commands(cli):
    stumble()
"""

FRAME = 'clumsy.py", line'


@pytest.fixture
def plugin(tmp_path: Path) -> tuple[str, Path]:
    file = tmp_path / "clumsy.py"
    file.write_text(PLUGIN)
    return "--plugin", file


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (["generator={name = 'clumsy', early = true}"], 4),
        (["generator={name = 'clumsy'}"], 4),
        (["augmentation=[{name = 'smog'}]"], 4),
        (["augmentation=[{name = 'smog'}]", "data.workers=1"], 4),
        (["tracker=[{name = 'deaf'}]"], 0),
    ],
    ids=["built", "checked", "augmenting", "augmenting in a worker", "tracking"],
)
def test_a_failing_component_is_located(
    settings: list[str], code: int, cgkit: Cli, plugin: tuple[str, Path], tiny_spec: Path, tmp_path: Path
) -> None:
    if settings[0].startswith("generator"):
        tiny_spec.write_text(tiny_spec.read_text().replace('[generator]\nname = "resnet"\nwidth = 4\nblocks = 1\n', ""))
    overrides = [word for setting in settings for word in ("--set", setting)]
    arguments = ["run", tiny_spec, *overrides, *plugin, "--output"]
    brief = cgkit(*arguments, tmp_path / "brief")
    assert (brief.code, "Traceback" in brief.err) == (code, False)
    assert "KeyError: 'the stone'" in brief.err
    whole = cgkit(*arguments, tmp_path / "whole", "--traceback")
    assert whole.code == code
    assert FRAME in whole.err
    assert "in stumble" in whole.err


def test_a_failing_command_is_located(cgkit: Cli, plugin: tuple[str, Path]) -> None:
    assert "Traceback" not in cgkit(*plugin, "--help").err
    assert "in stumble" in cgkit(*plugin, "--traceback", "--help").err


def test_an_error_of_the_user_has_no_traceback(cgkit: Cli, tiny_spec: Path) -> None:
    result = cgkit("run", tiny_spec, "--set", "train.steps=0", "--traceback")
    assert result.code == 2
    assert "Traceback" not in result.err


def test_a_failed_check_is_located(cgkit: Cli, plugin: tuple[str, Path]) -> None:
    check = ("plugins", "check", "clumsy.py", *plugin)
    assert "Traceback" not in cgkit(*check).out
    assert "in stumble" in cgkit(*check, "--traceback").out
    results = [result for result in cgkit(*check, "--json").json["results"] if result["outcome"] == "failed"]
    assert all(
        ("in stumble" in result["traceback"]) == (result["reason"].endswith("'the stone'")) for result in results
    )
    assert any(result["traceback"] for result in results)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with the installed package cgkit-clumsy."""
    site = tmp_path / "site"
    info = site / "cgkit_clumsy-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "clumsy.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cgkit-clumsy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cgkit]\nclumsy = clumsy\n")
    return site


def test_pytest_shows_the_frames_of_the_component(site: Path, tmp_path: Path) -> None:
    (tmp_path / "test_clumsy.py").write_text(
        "from cgkit.testing import conformance\n\n"
        '@conformance("cgkit-clumsy")\ndef test_contract(check):\n    check()\n'
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "keep-shape-and-type", "test_clumsy.py"]
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    assert "def stumble():" in done.stdout
    assert "augmentations/smog, augmentations-keep-shape-and-type: raised KeyError: 'the stone'" in done.stdout


def test_a_package_that_cannot_be_imported_is_located(cgkit: Cli, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site / "clumsy.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(site))
    assert "Traceback" not in cgkit("plugins", "list").err
    assert 'clumsy.py", line 1' in cgkit("plugins", "list", "--traceback").err
    (status,) = [s for s in cgkit("plugins", "list", "--json").json["plugins"] if s["distribution"] == "cgkit-clumsy"]
    assert 'clumsy.py", line 1' in status["traceback"]
