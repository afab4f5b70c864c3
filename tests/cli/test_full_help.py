"""Help shows the whole first sentence of each command."""

from __future__ import annotations

from collections.abc import Callable

import click
import pytest

from cgkit.cli import COMMANDS
from cgkit.cli.full_help import FullHelpGroup
from tests.conftest import Result


@pytest.mark.parametrize("arguments", [(), ("plugins",)])
def test_no_help_text_is_truncated(cgkit: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    listed = cgkit(*arguments, "--help").out.partition("Commands:")[2]
    assert "..." not in listed.replace(" ...)", "")
    if not arguments:
        assert all(f"\n  {name} " in listed for name in COMMANDS)


def test_a_long_sentence_is_wrapped() -> None:
    group = FullHelpGroup()
    group.add_command(click.Command("swirl", help=f"Turn {'round and ' * 10}stop. Then rest."))
    listed = group.get_help(click.Context(group)).partition("Commands:")[2]
    assert " ".join(listed.split()) == f"swirl Turn {'round and ' * 10}stop."
