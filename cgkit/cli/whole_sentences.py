"""A group of commands that lists each with its whole first sentence, which click would cut short."""

from __future__ import annotations

import click

LONGEST = 200
"""Characters of a sentence."""


class WholeSentences(click.Group):
    """A group whose help is not cut short."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write every command's name and its first sentence, on as many lines as it takes."""
        listed = [(name, self.get_command(context, name)) for name in self.list_commands(context)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(LONGEST)) for name, one in listed if one is not None])
