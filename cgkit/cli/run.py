"""`cgkit run`: train the model that a spec describes, or resume its run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cgkit.cli import console, options
from cgkit.errors import UsageError

if TYPE_CHECKING:
    from cgkit.evaluation.numbers import Number
    from cgkit.runs.outcome import Outcome

STOPPED = 75
"""Exit code that asks a scheduler to run the same command again (`EX_TEMPFAIL` of sysexits.h)."""


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
@options.overrides
@click.option(
    "--change",
    "changes",
    multiple=True,
    metavar="PATH",
    help="Continue the run although PATH is different, e.g. train.learning_rate or data. Can be given several times.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Run folder. [default: runs/NAME]")
@options.device
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    spec: Path,
    overrides: tuple[str, ...],
    changes: tuple[str, ...],
    output: Path | None,
    device: str | None,
    as_json: bool,
) -> int:
    """Train the model that SPEC describes. If the run folder exists, resume from its last checkpoint.

    SPEC may also be a run folder: its run continues with the --set, --plugin and --device that it was started with, and
    with those given now.
    """
    from cgkit.display.terminal import TerminalReporter

    if spec.is_dir():
        _add_remembered_plugins(context, spec)
    plugins = console.plugins(context)
    with TerminalReporter(tracebacks=console.shows_tracebacks(), quiet=console.is_quiet()) as reporter:
        reporter.stage("loading torch")
        from cgkit.runs.start import run

        outcome = run(
            spec,
            overrides=overrides,
            changes=changes,
            output=output,
            device=device,
            plugins=plugins,
            reporter=reporter,
        )
    if console.rank() == 0:
        _print(outcome, as_json)
    return STOPPED if outcome.state == "stopped" else 0


def _add_remembered_plugins(context: click.Context, folder: Path) -> None:
    """Load the plugin files with which the run in a folder was started, in addition to those given now."""
    from cgkit.runs.continuing.launch import read_launch

    state = context.find_root().ensure_object(dict)
    files = read_launch(folder).followed_by((), state.get("plugin_files", ()), None).plugins
    for file in files:
        if not Path(file).is_file():
            hint = f"pass --plugin with the new path of {Path(file).name}"
            raise UsageError(f"{file}, with which {folder} was started, does not exist", hint=hint)
    state["plugin_files"] = tuple(map(Path, files))


def _print(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        scores = [score.to_json() for score in outcome.scores]
        values = {"schema": 1, "state": outcome.state, "folder": str(outcome.folder), "step": outcome.step}
        console.print_json({**values, "scores": scores})
        return
    if outcome.state == "stopped":
        console.message(f"stopped and saved at step {outcome.step}; to continue: cgkit run {outcome.folder}")
        return
    if outcome.scores:
        _print_scores(outcome)
    console.message(f"the report is at {outcome.folder / 'report.html'}")
    console.message(f"translate with: cgkit translate {outcome.folder} IMAGES --output FOLDER")


def _print_scores(outcome: Outcome) -> None:
    from cgkit.runs.folder import RunFolder

    numeric = ("untranslated", "value")
    table = console.table("direction", "metric", *numeric, "better", right=numeric)
    labels = RunFolder(outcome.folder).labels()
    for score in outcome.scores:
        untranslated = "-" if score.untranslated is None else f"{score.untranslated:.3f}"
        table.add_row(labels[score.direction], score.name, untranslated, f"{score.value:.3f}", score.better or "-")
    out = console.stdout()
    out.print(f"{outcome.scores[0].protocol['n']} test images, step {outcome.step}:")
    out.print(table)
    compared = [score for score in outcome.scores if score.better and score.untranslated is not None]
    if compared and not any(map(_is_better, compared)):
        console.message("no score is better than that of the untranslated images: train longer, or with other data")


def _is_better(score: Number) -> bool:
    assert score.untranslated is not None
    return (score.value > score.untranslated) is (score.better == "higher")
