"""What all commands print through: data to stdout, messages to stderr, never a user's text as markup."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from cgkit.plugins import Plugins

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]|[\ud800-\udfff]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plugins(context: click.Context) -> Plugins:
    """Return the loaded plugins, loading them once; each failed one is reported in one line."""
    state: dict[str, Any] = context.find_root().ensure_object(dict)
    if "plugins" not in state:
        from cgkit.plugins import load_plugins

        loaded = load_plugins(installed=not state.get("no_plugins"), files=state.get("plugin_files", ()))
        for failed in loaded.failed:
            warning(f"plugin {failed.distribution} could not be loaded: {failed.reason}")
        state["plugins"] = loaded
    found: Plugins = state["plugins"]
    return found


def kind_argument(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return the name of the registry that a user means: `generator`, `generators` and `adversarial-loss` will do."""
    from cgkit.contracts import KINDS, kind_named

    try:
        return None if value is None else kind_named(value.replace("-", "_")).name
    except KeyError:
        known = ", ".join(kind.name for kind in KINDS)
        raise click.BadParameter(f"there is no kind {value!r}; there are: {known}") from None


def rank() -> int:
    """Return which process this is of those that torchrun started for one run: the first one, 0, does the talking."""
    return int(os.environ.get("RANK", "0"))


def stdout() -> Console:
    """Return the console for data."""
    from rich.console import Console

    # What is piped on is not folded at 80 columns.
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 200)


def stderr() -> Console:
    """Return the console for messages and progress."""
    from rich.console import Console

    # A line stays a line where it is piped on, so that it can be searched for.
    width = None if sys.stderr.isatty() else 1000
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)


def message(text: str) -> None:
    """Print a line to stderr."""
    if rank() == 0:
        click.echo(clean(text), err=True)


def warning(text: str) -> None:
    """Print a warning to stderr."""
    if rank() == 0:
        click.echo(f"{click.style('warning:', fg='yellow')} {clean(text)}", err=True)


def error(text: str) -> None:
    """Print what went wrong to stderr, one line a problem."""
    for line in clean(text).splitlines() or [""]:
        click.echo(f"{click.style('error:', fg='red')} {line}", err=True)


def print_json(values: Any) -> None:
    """Print one JSON document to stdout."""
    click.echo(json.dumps(values, indent=2))


def as_json(value: Any) -> str:
    """Return a value as it stands in a spec, or nearly so."""
    return "none" if value is None else json.dumps(value)


def clean(text: str) -> str:
    """Return a text without what a file's name may hold: control characters, undecodable bytes, turns of direction."""
    return _CONTROL.sub("?", text)
