"""A command group whose help shows the whole first sentence of each command; click would truncate it."""

from __future__ import annotations

import click

MAX_LENGTH = 200
"""Sentences of up to this many characters are shown in full."""


class FullHelpGroup(click.Group):
    """A group that does not truncate the help of its commands."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the name and the first sentence of every command, wrapped over several lines if needed."""
        commands = [(name, self.get_command(context, name)) for name in self.list_commands(context)]
        rows = [(name, command.get_short_help_str(MAX_LENGTH)) for name, command in commands if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
