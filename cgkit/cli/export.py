"""`cgkit export`: export a generator for use in other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import click

from cgkit.cli import console, options


def _parse_options(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    """Return options by name; a value that is not valid JSON is taken as a string."""
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{text!r}: write it as NAME=VALUE")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values


@click.command()
@options.model
@click.option(
    "--format",
    "file_format",
    required=True,
    metavar="NAME",
    help="Exporter to use: onnx, torch-export, published, or one of a plugin.",
)
@click.option(
    "--option",
    "exporter_options",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_parse_options,
    help="Option of the exporter. Can be given several times.",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option(
    "--direction",
    type=click.Choice(["a2b", "b2a"]),
    help="Direction to export. [default: a2b; all directions if the format holds a whole model]",
)
@options.weights
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    run: Path,
    file_format: str,
    exporter_options: dict[str, Any],
    output: Path,
    direction: str | None,
    weights: Literal["ema", "raw"] | None,
    as_json: bool,
) -> None:
    """Export a generator of RUN, a run or model folder, or the whole model, for use in other programs.

    RUN@STEP, RUN@best and RUN@last use a checkpoint of the run, also while it trains. hf:USER/NAME[@REVISION] uses a
    model of the Hugging Face hub, https://HOST/FOLDER/ one of any web server.

    The exported network is compared with the generator on images of several sizes; the file is kept only if the two
    agree. `cgkit list-components --kind exporter` lists all exporters.
    """
    plugins = console.plugins(context)
    choice: dict[str, Any] = {"format": file_format, "options": exporter_options}
    with console.working("loading torch, exporting and comparing"):
        from cgkit.exchange.exporting import export_model

        comparison = export_model(run, output, direction=direction, weights=weights, plugins=plugins, **choice)
    if as_json:
        shapes = [list(shape) for shape in comparison.shapes] if comparison else []
        difference = comparison.difference if comparison else None
        console.print_json({"schema": 1, "file": str(output), "largest_difference": difference, "compared_on": shapes})
    elif comparison is None:
        console.warning(f"{output}: not compared with the generator, because {file_format} cannot load its files")
    else:
        sizes = ", ".join(f"{number}x{width}x{height}" for number, _, height, width in comparison.shapes)
        console.message(
            f"wrote {output}; it differs from the generator by at most {comparison.difference:.1e} (range 0 to 1) "
            f"on images of {sizes} pixels"
        )
