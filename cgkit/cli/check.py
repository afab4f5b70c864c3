"""`cgkit check`: find problems with a spec and its data before training."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cgkit.cli import console, options

if TYPE_CHECKING:
    from cgkit.runs.check import Checked


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
@options.overrides
@options.device
@click.option("--decode", is_flag=True, help="First decode every image, and list those that cannot be decoded.")
@options.as_json
@click.pass_context
def command(
    context: click.Context, spec: Path, overrides: tuple[str, ...], device: str | None, decode: bool, as_json: bool
) -> None:
    """Validate SPEC, read every image's header and run one training step, without writing anything."""
    plugins = console.plugins(context)
    from cgkit.cli.file_progress import count_progress
    from cgkit.runs.check import check_spec

    decoding = count_progress("decoded {done} of {total} images") if decode else None
    checked = check_spec(spec, plugins, overrides=overrides, device=device, decoding=decoding)
    if as_json:
        console.print_json({"schema": 1, **asdict(checked)})
    else:
        _print(checked)


def _print(checked: Checked) -> None:
    out = console.stdout()
    for domain, images in checked.images.items():
        out.print(f"domain {domain}: {images.train} training images, {images.test} test images, {images.sizes}")
        if images.values != images.sizes:
            low, high = images.range
            out.print(f"domain {domain}: {images.values}, black at {low:g} and white at {high:g}")
    for network, count in checked.parameters.items():
        out.print(f"{network}: {count / 1e6:.3f} M parameters")
    for source in checked.started:
        out.print(console.clean(source))
    out.print(f"steps: {checked.steps}, {checked.precision} on {checked.device}")
    total = _format_duration(checked.seconds_in_all)
    out.print(f"time per step: {checked.seconds_a_step:.2f} s, {total} in total")
    out.print(f"peak memory: {checked.peak_memory / 1e9:.2f} GB")
    losses = ", ".join(f"{name} {value:.3f}" for name, value in checked.losses.items())
    out.print(f"losses of the first step: {losses}")
    for note in checked.notes:
        console.warning(str(note))


def _format_duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
