"""`cgkit check`: find problems with a spec and its data before training."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cgkit.cli import console, options

if TYPE_CHECKING:
    from cgkit.runs.check import Rehearsal


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
@options.overrides
@options.device
@options.as_json
@click.pass_context
def command(context: click.Context, spec: Path, overrides: tuple[str, ...], device: str | None, as_json: bool) -> None:
    """Validate SPEC, read every image's header and run one training step, without writing anything."""
    plugins = console.plugins(context)
    from cgkit.runs.check import rehearse

    rehearsal = rehearse(spec, plugins, overrides=overrides, device=device)
    if as_json:
        console.print_json({"schema": 1, **asdict(rehearsal)})
    else:
        _print(rehearsal)


def _print(rehearsal: Rehearsal) -> None:
    out = console.stdout()
    for domain, images in rehearsal.images.items():
        out.print(f"domain {domain}: {images.train} training images, {images.test} test images, {images.sizes}")
        if images.values != images.sizes:
            low, high = images.range
            out.print(f"domain {domain}: {images.values}, black at {low:g} and white at {high:g}")
    for network, count in rehearsal.parameters.items():
        out.print(f"{network}: {count / 1e6:.3f} M parameters")
    out.print(f"steps: {rehearsal.steps}, {rehearsal.precision} on {rehearsal.device}")
    total = _format_duration(rehearsal.seconds_in_all)
    out.print(f"time per step: {rehearsal.seconds_a_step:.2f} s, {total} in total")
    out.print(f"peak memory: {rehearsal.peak_memory / 1e9:.2f} GB")
    losses = ", ".join(f"{name} {value:.3f}" for name, value in rehearsal.losses.items())
    out.print(f"losses of the first step: {losses}")
    for note in rehearsal.notes:
        console.warning(str(note))


def _format_duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
