"""`cgkit describe`: show the options and properties of one component."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from cgkit.cli import completion, console, options
from cgkit.contracts import kind_named

if TYPE_CHECKING:
    from cgkit.describe.component import Description, NetworkFacts, OptionDescription


@click.command()
@click.argument("kind", callback=console.kind_argument, shell_complete=completion.complete_kind)
@click.argument("name", shell_complete=completion.complete_component)
@options.as_json
@click.pass_context
def command(context: click.Context, kind: str, name: str, as_json: bool) -> None:
    """Describe the component NAME of a KIND (generator, adversarial_loss ...): options, source code, example table."""
    plugins = console.plugins(context)
    component = plugins.registries[kind][name]
    from cgkit.describe.component import describe

    description = describe(component, plugins)
    if as_json:
        console.print_json({"schema": 1, **asdict(description)})
    else:
        _print(description)


def _print(description: Description) -> None:
    provider = f"{description.provider} {description.version}".strip()
    click.echo(console.clean(f"{description.name} ({description.kind}, {provider})\n"))
    click.echo(console.clean(description.documentation) + "\n")
    click.echo(console.clean(f"source: {description.source}"))
    if description.network:
        click.echo(_format_network(description.network))
    click.echo("\noptions:" if description.options else "\nno options")
    for option in description.options:
        click.echo(console.clean(_format_option(option)))
    click.echo("\nin a spec:\n" if kind_named(description.kind).in_spec else "\nin a command:\n")
    click.echo(console.clean(description.snippet), nl=False)


def _format_network(facts: NetworkFacts) -> str:
    receptive_field = facts.receptive_field or f"at least {facts.measured_on}"
    return (
        f"parameters: {facts.parameters:,} ({facts.parameters / 1e6:.3f} M) with the defaults and 3 channels\n"
        f"stride: {'unknown' if facts.stride is None else facts.stride}\n"
        f"receptive field: {receptive_field} pixels across, ignoring norms"
    )


def _format_option(option: OptionDescription) -> str:
    default = "required" if option.required else f"default {console.as_json(option.default)}"
    facts = ", ".join(part for part in (option.type, option.bounds, default) if part)
    return f"  {option.name}: {facts}\n      {option.meaning}"
