"""The command line: one module per command, which parses arguments, calls one function and renders the result."""

from __future__ import annotations

import errno
import importlib
import keyword
import os
import sys
import warnings
from typing import Any, TextIO

import click

from cgkit.cli import console
from cgkit.cli.full_help import FullHelpGroup
from cgkit.cli.options import EVERYWHERE
from cgkit.cli.plugin_commands import plugin_commands
from cgkit.errors import (
    CgkitError,
    CgkitWarning,
    DataError,
    PluginError,
    ResourceError,
    SpecError,
    UsageError,
    did_you_mean,
    traceback_of,
)

COMMANDS = (
    "run",
    "watch",
    "runs",
    "check",
    "init",
    "translate",
    "evaluate",
    "report",
    "compare",
    "study",
    "serve",
    "import",
    "export",
    "push",
    "list-components",
    "describe",
    "plugins",
    "schema",
)
"""Names of the built-in commands; each is the function `command` of the module of its name (`import_` for `import`)."""

SAME_ON_EVERY_RANK = (DataError, PluginError, SpecError, UsageError)
"""Errors that are the same in every process of a run, so that only rank 0 needs to report them."""


class Commands(FullHelpGroup):
    """The built-in commands, each imported on first use, and the commands of plugins."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands, the built-in ones first."""
        return [*COMMANDS, *plugin_commands(context, COMMANDS)]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return a command; plugins are loaded only if no built-in command has that name."""
        if name in COMMANDS:
            module = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
            return _add_options(importlib.import_module(f"cgkit.cli.{module}").command)
        return plugin_commands(context, COMMANDS).get(name)

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first argument names; for an unknown one, suggest the most similar."""
        try:
            return super().resolve_command(context, arguments)
        except click.UsageError:
            hint = did_you_mean(arguments[0], self.list_commands(context))
            raise UsageError(f'there is no command "{arguments[0]}"', hint=hint or "cgkit --help lists all") from None


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning for the user in one line, and any other as Python does."""
    if issubclass(category, CgkitWarning):
        console.warning(str(message))
    else:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


def _add_options(command: click.Command) -> click.Command:
    """Add to a command and its subcommands the options that every command accepts."""
    command.params += [option for option in EVERYWHERE if option not in command.params]
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            _add_options(subcommand)
    return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cgkit", prog_name="cgkit")
def cli() -> None:
    """Translate images between two domains without paired examples (CycleGAN).

    Exit codes: 0 success, 1 bug in cgkit, 2 usage or spec error, 3 data error, 4 plugin error, 5 checkpoint damaged or
    refused, 6 training diverged, 7 out of disk or memory or without a network, 8 run folder in use, 75 stopped and
    saved (run again to continue).
    """


_add_options(cli)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with a documented exit code."""
    state: dict[str, Any] = {}
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell: >&-
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - until the process ends
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = cli.main(arguments, prog_name="cgkit", standalone_mode=False, obj=state)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        console.error("interrupted")
        code = 130
    except BrokenPipeError:
        # It is not a failure if the program that reads the output has exited, as in `cgkit list-components | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except SystemExit as stop:  # click and rich exit with 1 for that reason, and plugins perhaps for others
        code = 0 if isinstance(stop.__context__, BrokenPipeError) else stop.code
    except CgkitError as error:
        if console.rank() == 0 or not isinstance(error, SAME_ON_EVERY_RANK):
            console.error(str(error), traceback_of(error) if state.get("traceback") else "")
            if state.get("as_json"):
                problems = str(error).splitlines()
                console.print_json({"schema": 1, "error": {"exit_code": error.exit_code, "problems": problems}})
        code = error.exit_code
    except OSError as error:
        if error.errno == errno.ENOSPC and error.filename is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            console.error("the output cannot be written: no space left on device")
            sys.exit(ResourceError.exit_code)
        if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
            raise
        console.error(f"{error.filename}: {error.strerror}")  # no program can use such a path
        code = UsageError.exit_code
    sys.exit(code if isinstance(code, int) else 0)
