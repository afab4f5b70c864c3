"""`cgkit report`: summarise a run on one page."""

from __future__ import annotations

from pathlib import Path

import click

from cgkit.cli import console, options
from cgkit.errors import one_line


@click.command()
@options.model
@click.option("--output", type=click.Path(path_type=Path), help="File to write. [default: RUN/report.html]")
@click.pass_context
def command(context: click.Context, run: Path, output: Path | None) -> None:
    """Write the report of RUN: one HTML file with its images over time, scores, curves and settings.

    RUN may be unfinished or incomplete; the report says what is missing. RUN@STEP, RUN@best and RUN@last report the run
    as it was at that checkpoint, by default in RUN/report-STEP.html.
    """
    from cgkit.report.report import write_report

    page = write_report(run, output=output, plugins=console.plugins(context))
    click.echo(console.clean(one_line(str(page))))
