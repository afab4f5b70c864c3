"""Commands that plugins add. A plugin that fails to add its commands does not affect any other command."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection
from typing import Any

import click

from cgkit.cli import console
from cgkit.errors import traceback_of
from cgkit.registry import describe_exception


def plugin_commands(context: click.Context, reserved: Collection[str]) -> dict[str, click.Command]:
    """Return the commands of all plugins by name. Each plugin is called once; problems are printed as warnings.

    Args:
        context: the click context of any command of this invocation.
        reserved: the names that plugins may not use for their commands.
    """
    state: dict[str, Any] = context.find_root().ensure_object(dict)
    if "commands" not in state:
        state["commands"] = _collect(context, reserved)
    commands: dict[str, click.Command] = state["commands"]
    return commands


def _collect(context: click.Context, reserved: Collection[str]) -> dict[str, click.Command]:
    commands: dict[str, click.Command] = {}
    # If two plugins add a command of the same name, that of the plugin loaded first is used.
    for name, hook in reversed(list(console.plugins(context).implementations("cgkit_commands"))):
        provider = name.partition(":")[0]
        group = click.Group()
        try:
            # Text that a plugin prints must not end up in the output of a command.
            with contextlib.redirect_stdout(sys.stderr):
                hook(cli=group)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            reason = describe_exception(error)
            console.warning(f"plugin {provider} could not add its commands: {reason}", traceback_of(error))
            continue
        for command in group.commands:
            if command in reserved or command in commands:
                console.warning(f"plugin {provider} adds a command {command!r}, but that name is already taken")
        commands = {**group.commands, **commands}
    return {command: commands[command] for command in sorted(commands) if command not in reserved}
