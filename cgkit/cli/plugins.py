"""`cgkit plugins`: list, check and create plugins."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cgkit.cli import console, options
from cgkit.cli.full_help import FullHelpGroup
from cgkit.errors import PluginError, UsageError

if TYPE_CHECKING:
    from cgkit.testing import CheckResult

MARKS = {"failed": "FAILED", "passed": "note"}


@click.group("plugins", cls=FullHelpGroup)
def command() -> None:
    """List installed plugins, check them against the contracts, or create a new one."""


@command.command("list")
@options.as_json
@click.pass_context
def list_plugins(context: click.Context, as_json: bool) -> None:
    """List all plugins with their state (ok, failed or blocked) and the reason for it."""
    statuses = console.plugins(context).statuses
    if as_json:
        console.print_json({"schema": 1, "plugins": [asdict(status) for status in statuses]})
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for status in statuses:
        cells = (status.state, f"{status.distribution} {status.version}", status.name, status.reason)
        table.add_row(*(Text(console.clean(cell)) for cell in cells))
    console.stdout().print(table)


@command.command("check")
@click.argument("plugin", metavar="PACKAGE|FILE.py")
@click.option(
    "--component",
    "components",
    multiple=True,
    metavar="NAME",
    help="Check only this component, e.g. halo or generator/halo. Can be given several times.",
)
@click.option("--verbose", is_flag=True, help="Also list the checks that passed.")
@options.as_json
@click.pass_context
def check(context: click.Context, plugin: str, components: tuple[str, ...], verbose: bool, as_json: bool) -> int:
    """Run the conformance checks on every component of an installed PACKAGE, or of a plugin in a single file.

    The exit code is 4 if a check fails.
    """
    distribution = _load_file(context, Path(plugin)) if plugin.endswith(".py") else plugin
    plugins = console.plugins(context)
    from cgkit.testing import check_plugin

    results = []
    for _, of_component in groupby(
        check_plugin(distribution, plugins, only=components), key=lambda result: result.component
    ):
        results += (component_results := list(of_component))
        if not as_json:
            _print(component_results, verbose)
    if as_json:
        console.print_json({"schema": 1, "results": [asdict(result) for result in results]})
    elif not results:
        click.echo(f"{console.clean(distribution)} provides no components")
    return PluginError.exit_code if any(result.outcome == "failed" for result in results) else 0


@command.command("new")
@click.argument("name")
@click.option(
    "--kind",
    required=True,
    callback=console.kind_argument,
    help="Kind of the component: generator, adversarial_loss, source ...",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder to create the package in. [default: the current folder]",
)
@click.option(
    "--package", type=click.Path(path_type=Path), help="Folder of an existing package to add the component to."
)
@click.pass_context
def new(context: click.Context, name: str, kind: str, output: Path | None, package: Path | None) -> None:
    """Create a complete package with one component NAME, ready to install, test and publish.

    With --package, add the component to an existing package: its module, its test and its registration.
    """
    from cgkit.contracts import kind_named

    if package is None:
        from cgkit.scaffolding.packages import write_package

        folder = write_package(name, kind_named(kind), output or Path(), console.plugins(context))
        console.message(
            f'wrote {folder}; next: pip install -e "{folder}[test]", then cgkit plugins check {folder.name}'
        )
        return
    if output is not None:
        raise UsageError("--output and --package exclude each other")
    from cgkit.scaffolding.extension import extend_package

    added = extend_package(name, kind_named(kind), package, console.plugins(context))
    console.message(f"wrote {' and '.join(added.files)} in {package}, and registered {name!r}")
    if added.missing:
        console.message(f"add to the dependencies in {package / 'pyproject.toml'}: {', '.join(added.missing)}")
    table = kind_named(kind).table
    console.message(f"next: cgkit plugins check {added.distribution} --component {table}/{name}")


def _load_file(context: click.Context, file: Path) -> str:
    """Load a file, unless the user has loaded it with `--plugin`; return the name of the plugin."""
    state: dict[str, Any] = context.find_root().ensure_object(dict)
    if file.name not in [other.name for other in state["plugin_files"]]:
        state["plugin_files"] = (*state["plugin_files"], file)
    return file.name


def _print(results: list[CheckResult], verbose: bool) -> None:
    """Print the results for one component; checks with the same outcome and reason share a line."""
    counts = Counter(result.outcome for result in results)
    summary = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    click.echo(console.clean(f"{results[0].component}: {summary}"))
    by_reason: dict[tuple[str, str], list[CheckResult]] = {}
    for result in results:
        if result.reason:
            by_reason.setdefault((result.outcome, result.reason), []).append(result)
        elif verbose:
            click.echo(f"  ok  {result.check}")
    for (outcome, reason), (first, *others) in by_reason.items():
        names = [result.check for result in (first, *others)]
        checks = ", ".join(names) if verbose or not others else f"{first.check} and {len(others)} more"
        click.echo(console.clean(f"  {MARKS.get(outcome, outcome)}  {checks}: {reason}"))
        if console.shows_tracebacks():
            click.echo(console.clean(first.traceback), nl=False)
