"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cgkit.cli import completion


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Store an option in the root context, because the option may precede or follow the command's name."""
    state, name = context.find_root().ensure_object(dict), str(parameter.name)
    if isinstance(value, tuple):
        state[name] = (*state.get(name, ()), *value)
    else:
        state[name] = value or state.get(name, False)


def _remember_json(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    _remember(context, parameter, value)
    return value


def _flag(name: str, text: str) -> click.Option:
    return click.Option([name], is_flag=True, is_eager=True, expose_value=False, callback=_remember, help=text)


EVERYWHERE = (
    click.Option(
        ["plugin_files", "--plugin"],
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE.py",
        is_eager=True,
        expose_value=False,
        callback=_remember,
        help="Load a plugin from a Python file. Can be given several times.",
    ),
    _flag("--no-plugins", "Load no installed plugins, only the built-in components."),
    _flag("--quiet", "Print only results, warnings and errors."),
    _flag("--traceback", "If a plugin fails, also print the traceback of its exception."),
)
"""Options that every command accepts."""


class ModelAddress(click.Path):
    """The address of a model: a path, or a text if the model is on a server."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """Return a path unchanged as a `Path`, but not a URL, whose slashes a path would merge."""
        from cgkit.spec.start import is_remote

        return value if isinstance(value, str) and is_remote(value) else super().convert(value, parameter, context)


model = click.argument("run", metavar="RUN[@STEP]", type=ModelAddress(path_type=Path))
overrides = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    shell_complete=completion.complete_key,
    help="Override a value of the spec, e.g. train.steps=100. Can be given several times.",
)
device = click.option(
    "--device", help="Device to compute on: cpu, cuda, cuda:N or mps. [default: cuda or mps if available]"
)
direction = click.option(
    "--direction", type=click.Choice(["a2b", "b2a"]), default="a2b", show_default=True, help="Direction of translation."
)
weights = click.option(
    "--weights",
    type=click.Choice(["ema", "raw"]),
    help="ema for the moving average of the weights, raw for the weights as trained. [default: ema if available]",
)
as_json = click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=_remember_json,
    help="Print the result, or an error, as JSON.",
)
