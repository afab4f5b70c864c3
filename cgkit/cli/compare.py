"""`cgkit compare`: show the specs and scores of several runs side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING

import click

from cgkit.cli import console, options

if TYPE_CHECKING:
    from rich.table import Table

    from cgkit.report.comparison import Comparison, Measurement

WIDTH = 80
"""The width of a table in columns, if the output is not a terminal."""
GAP = 2

Rows = list[list[str]]


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN[@STEP]...", type=click.Path(path_type=Path))
@click.option(
    "--baseline",
    metavar="RUN[@STEP]",
    type=click.Path(path_type=Path),
    help="Show the differences of the scores to those of this run.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Also write an HTML page with curves and images.",
)
@options.as_json
@click.pass_context
def command(
    context: click.Context, runs: tuple[Path, ...], baseline: Path | None, output: Path | None, as_json: bool
) -> None:
    """Compare the specs and scores of several runs, or of several checkpoints: RUN@STEP, RUN@best, RUN@last.

    Scores that were measured differently are not compared; the table names the differences.
    """
    with console.working("reading the runs"):
        from cgkit.report.comparison import compare

        comparison = compare(runs, baseline=baseline)
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
    width = out.width if out.is_terminal else WIDTH
    parts: list[str | Rows] = [*_tables_by_key(comparison)]
    if any(_measure(zip(*rows, strict=True)) > width for rows in parts):
        parts = [*_tables_by_run(comparison, width)]
    if not comparison.differences:
        out.print("The specs do not differ.")
    for number, part in enumerate(parts):
        if number:
            out.print()
        out.print(console.clean(part) if isinstance(part, str) else _table(part))
    if comparison.measurements and comparison.sides["a2b"] != "a to b":
        console.message(f"a2b is {comparison.sides['a2b']}, and b2a is {comparison.sides['b2a']}")
    for remark in (*comparison.remarks, *comparison.images.remarks):
        console.message(remark)


def _tables_by_key(comparison: Comparison) -> Iterator[Rows]:
    """Yield a table of the specs and one of the scores, with a column for each run."""
    differences, runs = comparison.differences, range(len(comparison.labels))
    if differences:
        values = [[key, *map(_format_value, values)] for key, values in differences.items()]
        yield [["spec", *comparison.labels], *values]
    if comparison.measurements:
        scores = [[_name(each), *(_format_score(each, run) for run in runs)] for each in comparison.measurements]
        yield [["score", *comparison.labels], *scores]


def _tables_by_run(comparison: Comparison, width: int) -> Iterator[str | Rows]:
    """Yield a legend of the runs, their values in the spec, and tables of comparable scores with a row for each run."""
    names = [f"{ascii_uppercase[run % 26]}{run // 26 or ''}" for run in range(len(comparison.labels))]
    yield [["run", ""], *map(list, zip(names, comparison.labels, strict=True))]
    if comparison.differences:
        yield [["spec", "value of runs"], *_group_values(comparison, names)]
    groups = comparison.groups if comparison.measurements else ()
    for group in groups:
        if group is not groups[0]:
            reasons = "; ".join(comparison.unlike(group[0], groups[0][0]))
            yield f"not comparable with {names[groups[0][0]]}: {reasons}"
        columns = [["score", *(names[run] for run in group)]]
        for each in comparison.measurements:
            columns.append([_name(each), *(_format_number(each, run) for run in group)])
        for chosen in _split(columns, width):
            yield [*map(list, zip(*chosen, strict=True))]


def _group_values(comparison: Comparison, names: Sequence[str]) -> Iterator[list[str]]:
    """Yield a row for each value of each key that differs, with the names of the runs that have it."""
    for key, values in comparison.differences.items():
        runs: dict[str, list[str]] = {}
        for name, value in zip(names, values, strict=True):
            runs.setdefault(_format_value(value), []).append(name)
        for number, (value, having) in enumerate(runs.items()):
            yield ["" if number else key, f"{value}: {' '.join(having)}"]


def _split(columns: Rows, width: int) -> Iterator[Rows]:
    """Yield the columns in parts that fit the width, each with the first column."""
    part = columns[:1]
    for column in columns[1:]:
        if len(part) > 1 and _measure([*part, column]) > width:
            yield part
            part = columns[:1]
        part = [*part, column]
    yield part


def _measure(columns: Iterable[Sequence[str]]) -> int:
    """Return the width of a table."""
    return sum(max(map(len, column)) + GAP for column in columns) - GAP


def _table(rows: Rows) -> Table:
    heading, *others = [[console.clean(cell) for cell in row] for row in rows]
    table = console.table(*heading)
    for row in others:
        table.add_row(*row)
    return table


def _name(measurement: Measurement) -> str:
    return f"{measurement.name} {measurement.direction}"


def _format_value(value: object) -> str:
    return "-" if value is None else value if isinstance(value, str) else console.as_json(value)


def _format_score(measurement: Measurement, run: int) -> str:
    number = measurement.numbers[run]
    if number is not None and measurement.unlike[run]:
        return f"not comparable: {', '.join(measurement.unlike[run])}"
    if number is None or number.interval is None or measurement.baseline is not None:
        return _format_number(measurement, run)
    return f"{_format_number(measurement, run)} ({number.interval[0]:.4g} to {number.interval[1]:.4g})"


def _format_number(measurement: Measurement, run: int) -> str:
    """Return a score without its interval but, if there is a baseline, with its difference to that."""
    number, difference = measurement.numbers[run], measurement.difference(run)
    if number is None:
        return "-"
    shows = measurement.baseline is not None and difference is not None
    return f"{number.value:.4g} ({difference:+.3g})" if shows else f"{number.value:.4g}"
