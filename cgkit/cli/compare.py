"""`cgkit compare`: show the specs and scores of several runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cgkit.cli import console, options

if TYPE_CHECKING:
    from cgkit.report.comparison import Comparison, Measurement


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Also write an HTML page with curves and images.",
)
@options.as_json
@click.pass_context
def command(context: click.Context, runs: tuple[Path, ...], output: Path | None, as_json: bool) -> None:
    """Compare the specs and scores of several runs.

    Scores that were measured differently are not compared; the table names the differences.
    """
    from cgkit.report.comparison import compare

    comparison = compare(runs)
    if output is not None:
        from cgkit.report.comparison_page import write_comparison

        page = write_comparison(comparison, output, plugins=console.plugins(context))
        console.message(f"wrote {page}")
    if as_json:
        console.print_json(comparison.to_json())
    else:
        _print(comparison)


def _print(comparison: Comparison) -> None:
    out = console.stdout()
    labels = list(map(console.clean, comparison.labels))
    table = console.table("spec", *labels)
    for key, values in comparison.differences.items():
        table.add_row(console.clean(key), *(console.clean(_format_value(value)) for value in values))
    out.print(table if comparison.differences else "The specs do not differ.")
    if comparison.measurements:
        table = console.table("score", *labels)
        for measurement in comparison.measurements:
            cells = [console.clean(_format_score(measurement, index)) for index in range(len(labels))]
            table.add_row(console.clean(f"{measurement.name} {measurement.direction}"), *cells)
        out.print()
        out.print(table)
    for remark in (*comparison.remarks, *comparison.images.remarks):
        console.message(remark)


def _format_value(value: object) -> str:
    return "-" if value is None else value if isinstance(value, str) else console.as_json(value)


def _format_score(measurement: Measurement, index: int) -> str:
    number = measurement.numbers[index]
    if number is None:
        return "-"
    if measurement.unlike[index]:
        return f"not comparable: {', '.join(measurement.unlike[index])}"
    interval = "" if number.interval is None else " ({:.4g} to {:.4g})".format(*number.interval)
    return f"{number.value:.4g}{interval}"
