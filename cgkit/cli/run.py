"""`cgkit run`: train what a spec describes, or continue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cgkit.cli import console

if TYPE_CHECKING:
    from cgkit.runs.run import Outcome

STOPPED = 75
"""The exit code that tells a scheduler to run the same command again (EX_TEMPFAIL)."""


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change one value, as train.steps=100.")
@click.option("--output", type=click.Path(path_type=Path), help="The run folder. [default: runs/NAME]")
@click.option("--device", help="cpu, cuda or cuda:N. [default: cuda where there is one]")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.pass_context
def command(
    context: click.Context,
    spec: Path,
    overrides: tuple[str, ...],
    output: Path | None,
    device: str | None,
    as_json: bool,
) -> int:
    """Train what SPEC describes. On an existing run folder, continue where it stopped."""
    from cgkit.cli.progress import RichReporter

    plugins = console.plugins(context)
    with RichReporter() as reporter:
        reporter.message("loading torch ...")
        from cgkit.runs.start import run

        outcome = run(spec, overrides=overrides, output=output, device=device, plugins=plugins, reporter=reporter)
    if console.rank() == 0:
        _render(outcome, as_json)
    return STOPPED if outcome.state == "stopped" else 0


def _render(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        scores = [score.to_json() for score in outcome.scores]
        values = {"schema": 1, "state": outcome.state, "folder": str(outcome.folder), "step": outcome.step}
        console.print_json({**values, "scores": scores})
        return
    if outcome.state == "stopped":
        console.message(f"stopped and saved at step {outcome.step}; run the same command again to continue")
        return
    if outcome.scores:
        _print_scores(outcome)
    console.message(f"the report is {outcome.folder / 'report.html'}")
    console.message(f"translate with: cgkit translate {outcome.folder} IMAGES --output FOLDER")


def _print_scores(outcome: Outcome) -> None:
    from rich.table import Table

    images = outcome.scores[0].protocol["n"]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("direction", "metric", "untranslated", "translated"):
        table.add_column(heading, justify="right" if heading.endswith("translated") else "left")
    for score in outcome.scores:
        untranslated = "-" if score.untranslated is None else f"{score.untranslated:.3f}"
        table.add_row(score.direction, score.name, untranslated, f"{score.value:.3f}")
    out = console.stdout()
    out.print(f"{images} test images, step {outcome.step}:")
    out.print(table)
