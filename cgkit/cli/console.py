"""Output of all commands: data to stdout, messages to stderr, and no text interpreted as markup."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from cgkit.display.console import clean, rank, stderr
from cgkit.errors import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cgkit.plugins import Plugins

__all__ = ["clean", "rank", "stderr"]
"""What `cgkit.display.console` has for commands, too; the rest is below."""


def plugins(context: click.Context) -> Plugins:
    """Return the plugins, loading them on the first call; print a warning for each plugin that fails to load."""
    state: dict[str, Any] = context.find_root().ensure_object(dict)
    loaded: Plugins | None = state.get("plugins")
    if loaded is None:
        from cgkit.plugins import load_plugins

        loaded = load_plugins(installed=not state.get("no_plugins"), files=state.get("plugin_files", ()))
        for status in loaded.failed:
            warning(f"plugin {status.distribution} could not be loaded: {status.reason}", status.traceback)
        state["plugins"] = loaded
    return loaded


def kind_argument(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return the registry name of a kind, which may be written as `generator`, `generators` or `adversarial-loss`."""
    from cgkit.contracts import KINDS, kind_named

    try:
        return None if value is None else kind_named(value.replace("-", "_")).name
    except KeyError:
        known = ", ".join(kind.name for kind in KINDS)
        raise click.BadParameter(f"unknown kind {value!r}; choose one of: {known}") from None


def stdout() -> Console:
    """Return the console for data."""
    from rich.console import Console

    # so that piped output is not wrapped at 80 columns
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 200)


def table(*headings: str, right: Collection[str] = ()) -> Table:
    """Return an empty table without borders; columns whose heading is in `right` are right-aligned."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return table


def message(text: str) -> None:
    """Print a line to stderr, on rank 0 only, unless the user wants no messages."""
    if rank() == 0 and not is_quiet():
        click.echo(clean(one_line(text)), err=True)


def warning(text: str, traceback: str = "") -> None:
    """Print a warning to stderr, on rank 0 only; the traceback of its cause only if the user asks for tracebacks."""
    if rank() == 0:
        if shows_tracebacks():
            click.echo(clean(traceback), err=True, nl=False)
        click.echo(f"{click.style('warning:', fg='yellow')} {clean(one_line(text))}", err=True)


@contextmanager
def working(text: str) -> Iterator[Callable[[str], None]]:
    """Show a spinner with a text on stderr while something takes long; without a terminal, print a line.

    The context is a function that changes the text.
    """
    from cgkit.display.terminal import TerminalReporter

    with TerminalReporter(quiet=is_quiet()) as reporter:
        reporter.stage(text)
        yield reporter.stage


def shows_tracebacks() -> bool:
    """Return whether the user gave the option `--traceback`."""
    return _has_option("traceback")


def is_quiet() -> bool:
    """Return whether the user gave the option `--quiet`."""
    return _has_option("quiet")


def _has_option(name: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().ensure_object(dict).get(name))


def error(text: str, traceback: str = "") -> None:
    """Print a traceback and an error to stderr; each line of the text describes a separate problem."""
    click.echo(clean(traceback), err=True, nl=False)
    for line in clean(text).splitlines() or [""]:
        click.echo(f"{click.style('error:', fg='red')} {line}", err=True)


def print_json(values: Any) -> None:
    """Print one JSON document to stdout."""
    click.echo(json.dumps(values, indent=2))


def as_json(value: Any) -> str:
    """Return a value as text, approximately as it would be written in a spec."""
    return "none" if value is None else json.dumps(value)
