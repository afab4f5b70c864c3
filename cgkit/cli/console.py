"""What all commands print through: data to stdout, messages to stderr, never a user's text as markup."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from cgkit.plugins import Plugins

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]|[\ud800-\udfff]")


def plugins(context: click.Context) -> Plugins:
    """Return the loaded plugins, loading them once; each failed one is reported in one line."""
    state: dict[str, Any] = context.find_root().obj or {}
    if "plugins" not in state:
        from cgkit.plugins import load_plugins

        without = state.get("no_plugins") or "--no-plugins" in sys.argv
        loaded = load_plugins(installed=not without)
        for failed in loaded.failed:
            warning(f"plugin {failed.distribution} could not be loaded: {failed.reason}")
        state["plugins"] = loaded
        context.find_root().obj = state
    found: Plugins = state["plugins"]
    return found


def stdout() -> Console:
    """Return the console for data."""
    from rich.console import Console

    # What is piped on is not folded at 80 columns.
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 200)


def stderr() -> Console:
    """Return the console for messages and progress."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def message(text: str) -> None:
    """Print a line to stderr."""
    click.echo(clean(text), err=True)


def warning(text: str) -> None:
    """Print a warning to stderr."""
    click.echo(f"{click.style('warning:', fg='yellow')} {clean(text)}", err=True)


def error(text: str) -> None:
    """Print what went wrong to stderr, one line a problem."""
    for line in clean(text).splitlines() or [""]:
        click.echo(f"{click.style('error:', fg='red')} {line}", err=True)


def print_json(values: Any) -> None:
    """Print one JSON document to stdout."""
    click.echo(json.dumps(values, indent=2))


def clean(text: str) -> str:
    """Return a text without control characters and undecodable bytes: a file's name may hold both."""
    return _CONTROL.sub("?", text)
