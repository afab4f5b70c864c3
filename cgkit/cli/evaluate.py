"""`cgkit evaluate`: how good a trained run is, in numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cgkit.cli import console

if TYPE_CHECKING:
    from cgkit.evaluation.numbers import Number
    from cgkit.evaluation.record import Evaluation


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--metrics",
    metavar="NAME,...",
    help="What to compute, or all. [default: what suits the test images]",
)
@click.option(
    "--count", type=click.IntRange(1, 1_000_000), help="Test images of each domain. [default: evaluation.count]"
)
@click.option("--best", is_flag=True, help="Measure the best model in place of the last one.")
@click.option("--device", help="cpu, cuda or cuda:N. [default: cuda where there is one]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    context: click.Context,
    run: Path,
    metrics: str | None,
    count: int | None,
    best: bool,
    device: str | None,
    as_json: bool,
) -> None:
    """Measure the model of RUN on its test images; the numbers are kept in RUN/evaluation.json."""
    plugins = console.plugins(context)
    from cgkit.runs.evaluate import evaluate

    names = [name.strip() for name in metrics.split(",")] if metrics is not None else []
    evaluation = evaluate(
        run, metrics=names, count=count, best=best, device=device, plugins=plugins, report=console.warning
    )
    if as_json:
        console.print_json({"schema": 1, **evaluation.to_json()})
    else:
        _print(evaluation)


def _print(evaluation: Evaluation) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("direction", "metric", "value", "95 % interval", "real", "untranslated", "better"):
        table.add_column(heading, justify="left" if heading in ("direction", "metric", "better") else "right")
    for one in evaluation.numbers:
        interval = "-" if one.interval is None else f"{_short(one.interval[0])} to {_short(one.interval[1])}"
        bounds = [_short(one.real), _short(one.untranslated)]
        table.add_row(one.direction, one.name, _short(one.value), interval, *bounds, one.better or "-")
    out = console.stdout()
    weights = "moving average" if evaluation.weights == "ema" else "weights as trained"
    out.print(f"step {evaluation.step}, {weights}, {_protocol(evaluation.numbers[0])}:")
    out.print(table)
    for extractor in dict.fromkeys(one.protocol["extractor"] for one in evaluation.numbers):
        if extractor is not None:
            out.print(f"features: {extractor}")


def _protocol(one: Number) -> str:
    height, width = one.protocol["size"]
    return f"{one.protocol['n']} test images, {width}x{height}, seed {one.protocol['seed']}"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
