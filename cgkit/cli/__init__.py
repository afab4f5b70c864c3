"""The command line: one file a command; each parses, calls one function, renders."""

from __future__ import annotations

import importlib
import keyword
import os
import sys
from pathlib import Path
from typing import Any

import click

from cgkit.cli import console
from cgkit.cli.plugin_commands import plugin_commands
from cgkit.cli.whole_sentences import WholeSentences
from cgkit.errors import CgkitError, DataError, PluginError, SpecError, UsageError

COMMANDS = (
    "run",
    "check",
    "init",
    "translate",
    "evaluate",
    "report",
    "compare",
    "import",
    "export",
    "list-components",
    "describe",
    "plugins",
    "schema",
)
"""The built-in commands. Each is the function `command` of the module of that name, `import_` where Python has it."""


ALIKE = (DataError, PluginError, SpecError, UsageError)
"""Errors that all processes of a run meet alike, so that the first one's message is enough."""


class Commands(WholeSentences):
    """The built-in commands, each imported when it is asked for, and those of plugins."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return every command's name: the built-in ones first."""
        return [*COMMANDS, *plugin_commands(context, COMMANDS)]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return a command; plugins are only asked where the name is not built in."""
        if name in COMMANDS:
            module = importlib.import_module(f"cgkit.cli.{_module_of(name)}")
            return _with_plugin_options(module.command)
        return plugin_commands(context, COMMANDS).get(name)


def _module_of(command: str) -> str:
    return f"{command}_" if keyword.iskeyword(command) else command.replace("-", "_")


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep which plugins are wanted; the options may stand before and after a command's name."""
    state = context.find_root().ensure_object(dict)
    if isinstance(value, tuple):
        state["plugin_files"] = (*state.get("plugin_files", ()), *value)
    else:
        state["no_plugins"] = value or state.get("no_plugins", False)


PLUGIN_OPTIONS = (
    click.Option(
        ["--plugin"],
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE.py",
        is_eager=True,
        expose_value=False,
        callback=_remember,
        help="Load a plugin that is a single file. May be given several times.",
    ),
    click.Option(
        ["--no-plugins"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_remember,
        help="Load no installed plugin, only what is built in.",
    ),
)
"""What every command takes besides its own options."""


def _with_plugin_options(command: click.Command) -> click.Command:
    command.params += [option for option in PLUGIN_OPTIONS if option not in command.params]
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _with_plugin_options(inner)
    return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cgkit", prog_name="cgkit")
def cli() -> None:
    """Translate images between two domains without paired examples (CycleGAN).

    Exit codes: 0 ok, 1 a bug, 2 usage or spec, 3 data, 4 plugin, 5 checkpoint damaged or refused, 6 diverged,
    7 out of disk or memory, 8 run folder in use, 75 stopped and saved (run again to continue).
    """


_with_plugin_options(cli)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with the documented code."""
    try:
        code = cli.main(arguments, prog_name="cgkit", standalone_mode=False)
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        console.error("interrupted")
        code = 130
    except BrokenPipeError:
        # Whoever read our output has gone (`cgkit list-components | head`); that is no failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except CgkitError as problem:
        if os.environ.get("CGKIT_DEBUG"):
            raise
        if console.rank() == 0 or not isinstance(problem, ALIKE):
            console.error(str(problem))
        code = problem.exit_code
    sys.exit(_as_code(code))


def _as_code(result: Any) -> int:
    return result if isinstance(result, int) else 0
