"""`cgkit compare`: several runs beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cgkit.cli import console

if TYPE_CHECKING:
    from rich.table import Table

    from cgkit.report.comparison import Comparison, Measurement


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE.html", help="Write a page with curves and images."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(context: click.Context, runs: tuple[Path, ...], output: Path | None, as_json: bool) -> None:
    """Show where the specs of several runs differ, and what each run scores.

    Numbers that were not measured alike are not compared: it is told what differs.
    """
    from cgkit.report.comparison import compare

    comparison = compare(runs)
    if output is not None:
        from cgkit.report.comparison_page import write_comparison

        page = write_comparison(comparison, output, plugins=console.plugins(context))
        console.message(f"the page is {page}")
    if as_json:
        console.print_json(comparison.to_json())
    else:
        _print(comparison)


def _print(comparison: Comparison) -> None:
    out = console.stdout()
    labels = list(map(console.clean, comparison.labels))
    table = _table("spec", *labels)
    for place, values in comparison.differences.items():
        table.add_row(console.clean(place), *(console.clean(_said(value)) for value in values))
    out.print(table if comparison.differences else "The specs do not differ.")
    if comparison.measurements:
        table = _table("score", *labels)
        for one in comparison.measurements:
            cells = [console.clean(_value(one, place)) for place in range(len(labels))]
            table.add_row(console.clean(f"{one.name} {one.direction}"), *cells)
        out.print()
        out.print(table)
    for remark in (*comparison.remarks, *comparison.images.remarks):
        console.message(remark)


def _table(*headings: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _said(value: object) -> str:
    return "-" if value is None else value if isinstance(value, str) else console.as_json(value)


def _value(one: Measurement, place: int) -> str:
    number = one.numbers[place]
    if number is None:
        return "-"
    if one.unlike[place]:
        return f"not comparable: {', '.join(one.unlike[place])}"
    interval = "" if number.interval is None else " ({:.4g} to {:.4g})".format(*number.interval)
    return f"{number.value:.4g}{interval}"
