"""`[plugins.PACKAGE]` holds the settings of a plugin's hooks, which are validated like the options of a component."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from tests.conftest import Result

Cli = Callable[..., Result]

PLUGIN = '''
from dataclasses import dataclass
from typing import Annotated

import cgkit
import click
from annotated_types import Ge


@dataclass(kw_only=True)
class Herald:
    """How the herald announces steps.

    Args:
        every: steps between announcements.
        call: what it calls.
    """

    every: Annotated[int, Ge(1)] = 2
    call: str = "hear"

    def __post_init__(self) -> None:
        if self.call == "nothing" and self.every == 1:
            raise ValueError("a herald that calls nothing at every step is no herald")


cgkit_settings = Herald


@cgkit.hookimpl
def cgkit_step_finished(run, step):
    herald = run.settings("cgkit-herald")
    if step % herald.every == 0:
        click.echo(f"{herald.call}: step {step}", err=True)
'''


@pytest.fixture(autouse=True)
def _herald(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install cgkit-herald, which has settings, and cgkit-mute, which has none."""
    site = tmp_path / "site"
    mute = "import cgkit\n@cgkit.hookimpl\ndef cgkit_run_started(run):\n    run.settings('cgkit-mute')\n"
    for name, source in (("herald", PLUGIN), ("mute", mute)):
        info = site / f"cgkit_{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (site / f"{name}_of_spec_tests.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: cgkit-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[cgkit]\n{name} = {name}_of_spec_tests\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("CGKIT_PLUGINS", "cgkit-herald,cgkit-mute")


@pytest.fixture
def trained(cgkit: Cli, tiny_spec: Path, tmp_path: Path) -> Callable[..., Result]:
    """Run the tiny spec with more text at its end."""

    def run(table: str = "", *arguments: object) -> Result:
        plain = tiny_spec.with_name("with_settings.toml")
        plain.write_text(tiny_spec.read_text() + table)
        return cgkit("run", plain, "--output", tmp_path / "run", *arguments)

    return run


def test_a_hook_reads_its_settings(trained: Callable[..., Result], tmp_path: Path) -> None:
    result = trained('[plugins.cgkit-herald]\ncall = "oyez"\n')
    assert result.code == 0
    assert [line for line in result.err.splitlines() if line.startswith("oyez")] == ["oyez: step 2", "oyez: step 4"]
    resolved = json.loads((tmp_path / "run" / "spec.resolved.json").read_text())
    assert resolved["plugins"] == {"cgkit-herald": {"every": 2, "call": "oyez"}}


def test_a_spec_without_the_table_has_the_defaults(trained: Callable[..., Result]) -> None:
    assert "hear: step 2" in trained().err


def test_an_override_sets_a_setting(trained: Callable[..., Result]) -> None:
    assert "hear: step 3" in trained("", "--set", "plugins.cgkit-herald.every=3").err


def test_a_run_is_resumed_with_other_settings(trained: Callable[..., Result]) -> None:
    assert trained("[plugins.cgkit-herald]\nevery = 2\n").code == 0
    resumed = trained("[plugins.cgkit-herald]\nevery = 5\n", "--set", "train.steps=5")
    assert resumed.code == 0
    assert "hear: step 5" in resumed.err


def test_a_run_is_evaluated_without_the_plugin(
    trained: Callable[..., Result], cgkit: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trained("[plugins.cgkit-herald]\nevery = 2\n").code == 0
    monkeypatch.setenv("CGKIT_PLUGINS", "")
    assert cgkit("evaluate", tmp_path / "run", "--metrics", "l1").code == 0


@pytest.mark.parametrize(
    ("table", "code", "message"),
    [
        ("[plugins.cgkit-herald]\neverry = 2", 2, 'plugins.cgkit-herald.everry: unknown key; did you mean "every"?'),
        ("[plugins.cgkit-herald]\nevery = 0", 2, "plugins.cgkit-herald.every: should be greater than or equal to 1"),
        ('[plugins.cgkit-herald]\nevery = 1\ncall = "nothing"', 2, "plugins.cgkit-herald: a herald that calls nothing"),
        ("[plugins.cgkit-heralt]", 4, 'cgkit-heralt is not installed; did you mean "cgkit-herald"?'),
        ("[plugins.cgkit-far-off]", 4, 'cgkit-far-off is not installed; pip install "cgkit-far-off"'),
        ("[plugins.cgkit-mute]", 2, "plugins.cgkit-mute: cgkit-mute has no settings"),
        ("[plugins]\ncgkit-herald = 3", 2, "plugins.cgkit-herald: should be a table"),
    ],
)
def test_a_mistake_is_located(table: str, code: int, message: str, trained: Callable[..., Result]) -> None:
    result = trained(f"\n{table}\n")
    assert result.code == code
    assert message in result.err
    assert "with_settings.toml:3" in result.err, "the line is named"


def test_a_hook_that_asks_for_settings_that_were_not_declared_is_disabled(trained: Callable[..., Result]) -> None:
    result = trained()
    assert result.code == 0
    assert "no plugin of cgkit-mute declares settings; define cgkit_settings in its module" in result.err


def test_the_schema_knows_the_settings(cgkit: Cli) -> None:
    schema = json.loads(cgkit("schema").out)
    jsonschema.validate({"plugins": {"cgkit-herald": {"every": 3}}}, schema)
    for wrong in ({"cgkit-herald": {"every": 0}}, {"cgkit-herald": {"often": 3}}, {"cgkit-mute": {}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"plugins": wrong}, schema)
