"""`cgkit export`: export a generator for use in other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from cgkit.cli import console, options


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "file_format",
    required=True,
    type=click.Choice(["onnx", "torch-export", "published"]),
    help="ONNX, a torch.export program, or a state dict with the tensor names of the published code.",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="File to write.")
@options.direction
@options.weights
@options.as_json
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
    """Export one generator of RUN, a run or model folder, for use in other programs.

    The exported network is compared with the generator on images of several sizes; the file is kept only if the two
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
    console.message(
        f"{output}: differs from the generator by at most {comparison.difference:.1e} (range 0 to 1) "
        f"on images of {sizes} pixels"
    )
