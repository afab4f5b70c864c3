"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


def _remember_plugins(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Store the choice of plugins in the root context, because the option may precede or follow the command's name."""
    state = context.find_root().ensure_object(dict)
    if isinstance(value, tuple):
        state["plugin_files"] = (*state.get("plugin_files", ()), *value)
    else:
        state["no_plugins"] = value or state.get("no_plugins", False)


PLUGIN_OPTIONS = (
    click.Option(
        ["--plugin"],
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE.py",
        is_eager=True,
        expose_value=False,
        callback=_remember_plugins,
        help="Load a plugin from a Python file. Can be given several times.",
    ),
    click.Option(
        ["--no-plugins"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_remember_plugins,
        help="Load no installed plugins, only the built-in components.",
    ),
)
"""Options that every command accepts."""

overrides = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Override a value of the spec, e.g. train.steps=100. Can be given several times.",
)
device = click.option("--device", help="Device to compute on: cpu, cuda or cuda:N. [default: cuda if available]")
direction = click.option(
    "--direction", type=click.Choice(["a2b", "b2a"]), default="a2b", show_default=True, help="Direction of translation."
)
weights = click.option(
    "--weights",
    type=click.Choice(["ema", "raw"]),
    help="ema for the moving average of the weights, raw for the weights as trained. [default: ema if available]",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
