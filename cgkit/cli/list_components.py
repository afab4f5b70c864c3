"""`cgkit list-components`: list the components that a spec or a command can name."""

from __future__ import annotations

import itertools

import click

from cgkit.cli import console, options
from cgkit.plugins import Plugins
from cgkit.registry import Component


@click.command("list-components")
@click.option(
    "--kind",
    callback=console.kind_argument,
    help="List components of one kind only, e.g. generator or adversarial_loss.",
)
@options.as_json
@click.pass_context
def command(context: click.Context, kind: str | None, as_json: bool) -> None:
    """List all components: generators, discriminators, losses and more, including plugins'."""
    plugins = console.plugins(context)
    components = [component for registry in plugins.registries for component in registry]
    if kind is not None:
        components = [component for component in components if component.kind.name == kind]
    if as_json:
        console.print_json({"schema": 1, "components": [_to_json(component, plugins) for component in components]})
    else:
        _print(components, plugins)


def _to_json(component: Component, plugins: Plugins) -> dict[str, object]:
    return {
        "kind": component.kind.name,
        "name": component.name,
        "provider": component.provider,
        "version": plugins.version_of(component.provider),
        "default": component.default,
        "summary": component.summary,
    }


def _print(components: list[Component], plugins: Plugins) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console.stdout()
    width = max((len(component.name) for component in components), default=0) + 1
    for kind, of_kind in itertools.groupby(components, key=lambda component: component.kind):
        out.print(Text(kind.name, style="bold"))
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
        table.add_column(no_wrap=True, min_width=width)
        table.add_column(no_wrap=True)
        table.add_column()
        for component in of_kind:
            name = f"{component.name}*" if component.default else component.name
            provider = f"{component.provider} {plugins.version_of(component.provider)}"
            notice = f"(deprecated: {component.deprecated}) " if component.deprecated else ""
            table.add_row(*(Text(console.clean(cell)) for cell in (name, provider, notice + component.summary)))
        out.print(table)
    out.print("* used by default if a spec names no component of the kind")
