"""Plugins can add commands; a plugin that fails to does not affect the other commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result

Cli = Callable[..., Result]

COMMAND = """
import cgkit
import click


@cgkit.hookimpl
def cgkit_commands(cli):
    print("adding")

    @cli.command("{name}")
    def command():
        click.echo("{output}")
    {more}
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[..., tuple[str, Path]]:
    """Write a plugin with a command, `plugin("greet")`, and return the options that load it."""

    def write(name: str, *, output: str = "hello", more: str = "", file: str = "one.py") -> tuple[str, Path]:
        (tmp_path / file).write_text(COMMAND.format(name=name, output=output, more=more))
        return "--plugin", tmp_path / file

    return write


def warnings(result: Result) -> list[str]:
    return [line for line in result.err.splitlines() if line.startswith("warning:")]


def test_a_plugins_command_is_listed_and_runs(cgkit: Cli, plugin: Callable[..., tuple[str, Path]]) -> None:
    loaded = plugin("greet")
    listed = cgkit(*loaded, "--help")
    assert "  greet" in listed.out
    assert listed.err.splitlines() == ["adding"], "called once, and its prints are not data"
    assert cgkit(*loaded, "greet").out == "hello\n"


@pytest.mark.parametrize("act", ["raise RuntimeError('wires crossed')", "raise SystemExit(3)"])
def test_a_failing_plugin_is_reported_in_one_line_and_all_other_commands_work(
    cgkit: Cli, plugin: Callable[..., tuple[str, Path]], act: str
) -> None:
    both = (*plugin("half", more=act), *plugin("greet", file="two.py"))
    listed = cgkit(*both, "--help")
    assert listed.code == 0
    assert "  run" in listed.out
    assert "  greet" in listed.out
    assert "  half" not in listed.out
    (warning,) = warnings(listed)
    assert warning.startswith("warning: plugin one.py could not add its commands: ")
    assert cgkit(*both, "greet").code == 0
    mistyped = cgkit(*both, "gret")
    assert mistyped.code == 2
    assert "Traceback" not in mistyped.err


def test_a_plugin_cannot_replace_a_built_in_command(cgkit: Cli, plugin: Callable[..., tuple[str, Path]]) -> None:
    loaded = plugin("schema")
    (warning,) = warnings(cgkit(*loaded, "--help"))
    assert "plugin one.py adds a command 'schema', but that name is already taken" in warning
    assert "hello" not in cgkit(*loaded, "schema").out


def test_of_two_commands_with_the_same_name_the_first_wins_with_a_warning(
    cgkit: Cli, plugin: Callable[..., tuple[str, Path]]
) -> None:
    both = (*plugin("greet"), *plugin("greet", output="good day", file="two.py"))
    greeted = cgkit(*both, "greet")
    assert greeted.out == "hello\n"
    (warning,) = warnings(greeted)
    assert "plugin two.py adds a command 'greet'" in warning
