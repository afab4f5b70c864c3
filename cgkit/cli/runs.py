"""`cgkit runs`: list the runs below a folder with their states and scores."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cgkit.cli import console, options
from cgkit.errors import one_line

if TYPE_CHECKING:
    from cgkit.report.listing import Listed

UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@click.option("--sort", "metric", metavar="METRIC", help="Rank by a metric, best first, e.g. psnr or psnr_a2b.")
@options.as_json
@click.pass_context
def command(context: click.Context, folder: Path, metric: str | None, as_json: bool) -> None:
    """List all runs below FOLDER, by default runs/: their states, steps, newest scores and ages.

    A score is the mean over both directions of the metric that selects the best model, or else of the first one. A run
    is killed if its process ended before it could write why; `cgkit run RUN` continues it.
    """
    from cgkit.report.listing import list_runs, rank

    plugins = console.plugins(context)
    runs, remark = list_runs(folder, plugins), None
    if metric is not None:
        runs, remark = rank(runs, metric, plugins)
    if as_json:
        sorted_by = {} if metric is None else {"metric": metric}
        values = [{**run.to_json(), **sorted_by, "score": run.score(metric)} for run in runs]
        console.print_json({"schema": 1, "runs": values})
    elif runs:
        _print(runs, folder, metric)
    else:
        console.message(f"{folder} contains no runs")
    if remark is not None:
        console.message(remark)


def _print(runs: list[Listed], folder: Path, metric: str | None) -> None:
    numeric = ("step", metric or "score", "age")
    table = console.table("run", "state", *numeric, right=numeric)
    for run in runs:
        name = console.clean(one_line(os.path.relpath(run.folder, folder) if run.folder != folder else str(folder)))
        step = "-" if run.step is None else f"{run.step}/{'?' if run.steps is None else run.steps}"
        table.add_row(name, run.state, step, _format_score(run, metric), _format_age(run.updated))
    console.stdout().print(table)
    for run in runs:
        if run.problem:
            console.warning(f"{run.folder}: {run.problem}")


def _format_score(run: Listed, metric: str | None) -> str:
    value = run.score(metric)
    if value is None:
        return "-"
    return f"{value:.4g}" if metric is not None else console.clean(f"{run.metric} {value:.4g}")


def _format_age(updated: float | None) -> str:
    if updated is None:
        return "-"
    seconds = max(0, int(time.time() - updated))
    size, unit = next((size, unit) for size, unit in UNITS if seconds >= size or size == 1)
    return f"{seconds // size} {unit}"
