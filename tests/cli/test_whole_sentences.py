"""Help says of each command what it does, to the end of the sentence."""

from __future__ import annotations

from collections.abc import Callable

import click
import pytest

from cgkit.cli import COMMANDS
from cgkit.cli.whole_sentences import WholeSentences
from tests.conftest import Result


@pytest.mark.parametrize("arguments", [(), ("plugins",)])
def test_no_command_is_cut_short(cgkit: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    listed = cgkit(*arguments, "--help").out.partition("Commands:")[2]
    assert "..." not in listed.replace(" ...)", "")
    if not arguments:
        assert all(f"\n  {name} " in listed for name in COMMANDS)


def test_a_long_sentence_takes_several_lines() -> None:
    group = WholeSentences()
    group.add_command(click.Command("swirl", help=f"Turn {'round and ' * 10}stop. Then rest."))
    listed = group.get_help(click.Context(group)).partition("Commands:")[2]
    assert " ".join(listed.split()) == f"swirl Turn {'round and ' * 10}stop."
