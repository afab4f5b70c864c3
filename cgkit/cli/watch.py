"""`cgkit watch`: follow a run that trains in another process, or on another machine that shares its folder."""

from __future__ import annotations

from pathlib import Path

import click

from cgkit.cli import console


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--interval", type=click.FloatRange(0.1, 3600), default=2.0, show_default=True, help="Seconds between two looks."
)
def command(run: Path, interval: float) -> int:
    """Show the progress of RUN, a run folder, until the run ends; exit with the exit code of the run."""
    from cgkit.display.terminal import TerminalReporter
    from cgkit.runs.progress.watching import follow

    with TerminalReporter(quiet=console.is_quiet()) as reporter:
        try:
            status = follow(run, reporter, interval=interval)
        except KeyboardInterrupt:  # the usual way to leave it
            return 0
    console.message(f"{status['state']} at step {status['step']}; the report is at {run / 'report.html'}")
    if status.get("error"):
        console.error(str(status["error"]))
    return int(status["exit_code"])
