"""`cgkit check`: find problems with a spec and its data before training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cgkit.cli import console, options

if TYPE_CHECKING:
    from cgkit.runs.check import Checked
    from cgkit.runs.cost.verdict import Verdict


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
    """Validate SPEC, read every image's header and run some training steps; write nothing."""
    plugins = console.plugins(context)
    from cgkit.cli.file_progress import count_progress

    decoding = count_progress("decoded {done} of {total} images") if decode else None
    with console.working("reading the images and training some steps"):
        from cgkit.runs.check import check_spec

        checked = check_spec(spec, plugins, overrides=overrides, device=device, decoding=decoding)
    if as_json:
        console.print_json({"schema": 1, **asdict(checked)})
    else:
        _print(checked)


def _print(checked: Checked) -> None:
    from cgkit.spec.images import in_words, labels_of

    out = console.stdout()
    for (side, images), name in zip(checked.images.items(), checked.names or ("", ""), strict=True):
        domain = f"{side} ({name})" if name else side
        out.print(f"domain {domain}: {images.train} training images, {images.test} test images, {images.sizes}")
        if images.values != images.sizes:
            low, high = images.range
            out.print(f"domain {domain}: {images.values}, black at {low:g} and white at {high:g}")
    for folder, kinds in checked.ignored.items():
        out.print(f"ignored in {folder}: {kinds}")
    for network, count in checked.parameters.items():
        out.print(f"{network}: {count / 1e6:.3f} M parameters")
    for source in checked.started:
        out.print(console.clean(source))
    out.print(f"steps: {checked.steps}, {checked.precision} on {checked.device}, {checked.seconds_a_step:.3g} s a step")
    losses = ", ".join(f"{name} {value:.3f}" for name, value in checked.losses.items())
    out.print(f"losses of the first step: {losses}")
    labels = labels_of({"data": {"names": checked.names}})
    for note in checked.notes:
        console.warning(in_words(str(note), labels))
    for line in _describe(checked.verdict):
        out.print(line)


def _describe(verdict: Verdict) -> Iterator[str]:
    """Yield the lines of a verdict."""
    from cgkit.display.durations import format_duration

    parts = ", ".join(f"{part} {format_duration(seconds)}" for part, seconds in verdict.parts.items())
    ends = datetime.fromisoformat(verdict.ends)
    yield f"time: {format_duration(verdict.seconds)}; started now, it ends on {ends:%a %d %b %Y at %H:%M} ({parts})"
    available = f" of {_size(verdict.memory_available)}" if verdict.memory_available else ""
    yield f"peak memory: {_size(verdict.memory)}{available}"
    needed = ", ".join(f"{part} {_size(count)}" for part, count in verdict.disk.items())
    total = _size(sum(verdict.disk.values()))
    yield f"disk: {total} of {_size(verdict.disk_free)} that are free ({needed})"
    yield from (f"change: {change}" for change in verdict.changes)
    yield f"next: {verdict.next}"


def _size(count: int) -> str:
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
