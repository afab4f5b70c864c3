"""`cgkit evaluate`: score the model of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cgkit.cli import console, options

if TYPE_CHECKING:
    from cgkit.evaluation.numbers import Number
    from cgkit.evaluation.record import Evaluation


@click.command()
@options.model
@click.option("--metrics", metavar="NAME,...", help="Metrics to compute, or all. [default: those of the spec]")
@click.option(
    "--count", type=click.IntRange(1, 1_000_000), help="Number of test images per domain. [default: evaluation.count]"
)
@options.overrides
@options.device
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    run: Path,
    metrics: str | None,
    count: int | None,
    overrides: tuple[str, ...],
    device: str | None,
    as_json: bool,
) -> None:
    """Score the model of RUN on its test images and save the scores in RUN/evaluation.json.

    RUN@STEP, RUN@best and RUN@last score a checkpoint of the run, also while it trains; the scores of a step are saved
    in RUN/evaluations, those of the best model in RUN/best.
    """
    plugins = console.plugins(context)
    names = [name.strip() for name in metrics.split(",")] if metrics is not None else []
    with console.working("loading torch") as progress:
        from cgkit.models.address import Address
        from cgkit.runs.folder import RunFolder
        from cgkit.runs.scores.evaluate import evaluate
        from cgkit.spec.images import in_words

        labels = RunFolder(Address.of_run(run).folder).labels()
        evaluation = evaluate(
            run,
            metrics=names,
            count=count,
            overrides=overrides,
            device=device,
            plugins=plugins,
            report=console.warning,
            progress=lambda text: progress(in_words(text, labels)),
        )
    if as_json:
        console.print_json({"schema": 1, **evaluation.to_json()})
    else:
        _print(evaluation, labels)


def _print(evaluation: Evaluation, labels: Mapping[str, str]) -> None:
    numeric = ("value", "95 % interval", "real", "untranslated")
    table = console.table("direction", "metric", *numeric, "better", right=numeric)
    for score in evaluation.numbers:
        interval = "-" if score.interval is None else " to ".join(map(_format, score.interval))
        values = (_format(score.value), interval, _format(score.real), _format(score.untranslated))
        table.add_row(labels[score.direction], score.name, *values, score.better or "-")
    out = console.stdout()
    weights = "moving average" if evaluation.weights == "ema" else "weights as trained"
    out.print(f"step {evaluation.step}, {weights}, {_format_protocol(evaluation.numbers[0])}:")
    out.print(table)
    for extractor in dict.fromkeys(score.protocol["extractor"] for score in evaluation.numbers):
        if extractor is not None:
            out.print(f"features: {extractor}")


def _format_protocol(score: Number) -> str:
    height, width = score.protocol["size"]
    return f"{score.protocol['n']} test images, {width}x{height}, seed {score.protocol['seed']}"


def _format(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
