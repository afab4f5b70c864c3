"""`cgkit export`: a model for use in other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from cgkit.cli import console


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "file_format",
    required=True,
    type=click.Choice(["onnx", "torch-export", "published"]),
    help="ONNX, a program of torch.export, or a state dict under the names of the published code.",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="The file to write.")
@click.option("--direction", type=click.Choice(["a2b", "b2a"]), default="a2b", show_default=True, help="Which way.")
@click.option(
    "--weights",
    type=click.Choice(["ema", "raw"]),
    help="The moving average of the weights, or the weights as trained. [default: the average where there is one]",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was compared as JSON.")
@click.pass_context
def command(
    context: click.Context,
    run: Path,
    file_format: str,
    output: Path,
    direction: str,
    weights: Literal["ema", "raw"] | None,
    as_json: bool,
) -> None:
    """Write the generator of one direction of RUN, the folder of a run or of a model, for other programs.

    What was written is run on images of several sizes and compared with the generator; it is kept only where the two
    agree.
    """
    plugins = console.plugins(context)
    from cgkit.exchange.exporting import export_model

    comparison = export_model(run, output, format=file_format, direction=direction, weights=weights, plugins=plugins)
    if as_json:
        shapes = [list(shape) for shape in comparison.shapes]
        difference = comparison.difference
        console.print_json({"schema": 1, "file": str(output), "largest_difference": difference, "compared_on": shapes})
        return
    sizes = ", ".join(f"{number}x{width}x{height}" for number, _, height, width in comparison.shapes)
    console.message(f"{output}: differs by at most {comparison.difference:.1e} in [0, 1], on images of {sizes} pixels")
