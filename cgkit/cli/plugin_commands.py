"""The commands that plugins add: one plugin that fails at it leaves the others and the built-in ones alone."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection
from typing import Any

import click

from cgkit.cli import console
from cgkit.registry import describe_exception


def plugin_commands(context: click.Context, taken: Collection[str]) -> dict[str, click.Command]:
    """Return the commands of all plugins by name, asking each plugin once; what is wrong is told in one line each.

    Args:
        context: any context of this call of the command line.
        taken: names that no plugin may give to a command.
    """
    state: dict[str, Any] = context.find_root().ensure_object(dict)
    if "commands" not in state:
        state["commands"] = _collect(context, taken)
    commands: dict[str, click.Command] = state["commands"]
    return commands


def _collect(context: click.Context, taken: Collection[str]) -> dict[str, click.Command]:
    commands: dict[str, click.Command] = {}
    # Of two commands with one name that of the plugin that was loaded first stays.
    for name, hook in reversed(list(console.plugins(context).implementations("cgkit_commands"))):
        provider = name.partition(":")[0]
        group = click.Group()
        try:
            # What a plugin prints must not end up in a command's output.
            with contextlib.redirect_stdout(sys.stderr):
                hook(cli=group)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin does, the others go on
            console.warning(f"plugin {provider} could not add its commands: {describe_exception(error)}")
            continue
        for command in group.commands:
            if command in taken or command in commands:
                console.warning(f"plugin {provider} adds a command {command!r}, but there is one of that name already")
        commands = {**group.commands, **commands}
    return {command: commands[command] for command in sorted(commands) if command not in taken}
