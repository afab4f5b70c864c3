"""`cgkit report`: a run on one page."""

from __future__ import annotations

from pathlib import Path

import click

from cgkit.cli import console


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), help="The page. [default: report.html in RUN]")
@click.pass_context
def command(context: click.Context, run: Path, output: Path | None) -> None:
    """Write the page of RUN anew: its images over time, scores, curves and settings, in one HTML file.

    RUN may be unfinished, and parts of it may be missing: the page says so in their place.
    """
    from cgkit.report.report import write_report

    page = write_report(run, output=output, plugins=console.plugins(context))
    click.echo(console.clean(str(page)))
