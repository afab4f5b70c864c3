"""The page of one run: what `cgkit report` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cgkit.plugins import Plugins, load_plugins
from cgkit.report.curves import charts_of
from cgkit.report.gauges import scales_of
from cgkit.report.page import rendered, write_page
from cgkit.report.pictures import Gallery, gallery
from cgkit.report.record import HEALTH, HISTORY, Note, Record, number_or_none, read_record
from cgkit.report.reproduction import reproduction

FILE = "report.html"

STATES = {
    "running": "It is being trained, or was ended without a chance to say so.",
    "finished": "Training went to its end.",
    "stopped": "Training was stopped and saved; the same command continues it.",
    "diverged": "A loss or a gradient was no longer finite.",
    "failed": "Something went wrong.",
}
"""What the states of a run mean."""


def write_report(run: Path | str, *, output: Path | None = None, plugins: Plugins | None = None) -> Path:
    """Write the page of a run, whatever of the run there is; return the page's path.

    Args:
        run: the run folder.
        output: the page; by default `report.html` in the run folder.
        plugins: the loaded plugins, which say what metrics mean; by default all that are installed.

    Raises:
        CheckpointError: it is no run folder.
        UsageError: the page would replace a file of another origin.
        ResourceError: the page cannot be written.
    """
    record = read_record(Path(run))
    return write_page(output or record.folder / FILE, report_text(record, plugins or load_plugins()))


def report_text(record: Record, plugins: Plugins) -> str:
    """Return the page of a run."""
    shown = gallery(record.sheets)
    numbers = record.evaluation.numbers if record.evaluation is not None else ()
    metrics = {number.name for number in numbers} | set(_names(record.spec.get("metric")))
    return rendered(
        "report.html",
        record=record,
        state=_state(record),
        facts=_facts(record),
        gallery=shown,
        gallery_data=gallery_data(shown),
        charts=charts_of(record.history, metrics),
        scales=scales_of(numbers),
        summaries=_summaries(metrics, plugins),
        notes=_gathered(record.notes),
        environment=_flat(record.environment),
        reproduction=reproduction(record),
        missing=record.problems,
        HISTORY=HISTORY,
        HEALTH=HEALTH,
    )


def gallery_data(shown: Gallery | None) -> dict[str, Any]:
    """Return what the slider changes, as JSON values: the sources of every picture but the last ones, by cell."""
    if shown is None:
        return {"steps": [], "cells": {}}
    cells = {
        f"{direction}-{number}-{cell.role}": [picture.source for picture in cell.pictures[:-1]]
        for direction, rows in shown.directions.items()
        for number, row in enumerate(rows)
        for cell in row.cells
        if len(cell.pictures) > 1
    }
    return {"steps": shown.steps, "cells": cells}


def _state(record: Record) -> dict[str, str]:
    name = str(record.status.get("state") or "unknown")
    told = STATES.get(name, "How it stands is not known.")
    return {"name": name, "kind": name if name in STATES else "unknown", "told": told} | {
        "error": str(record.status.get("error") or "")
    }


def _facts(record: Record) -> dict[str, str]:
    """Return what is said of a run in short, by what it is."""
    facts = {}
    step, steps = record.status.get("step"), record.status.get("steps")
    reached = max((step for values in record.history.values() for step in values), default=None)
    if record.status.get("state") == "running" or not isinstance(step, int):
        step = reached if reached is not None else step
    if step is not None:
        facts["steps"] = f"{step} of {steps}" if steps is not None else str(step)
    seconds = _seconds_of_training(record)
    if seconds:
        facts["training time"] = _duration(seconds)
    for name, value in (("device", record.environment.get("device")), ("written", record.status.get("at"))):
        if value:
            facts[name] = str(value)
    if record.evaluation is not None:
        facts["weights"] = "moving average" if record.evaluation.weights == "ema" else "as trained"
    return facts


def _seconds_of_training(record: Record) -> float | None:
    """Return how long the recorded steps took, from their speed; samples, scores and checkpoints are not in it."""
    train = record.spec.get("train")
    batches = [train.get(key) for key in ("batch", "accumulate")] if isinstance(train, Mapping) else []
    sizes = [size for size in map(number_or_none, batches) if size]
    if len(sizes) != 2:
        return None
    seconds, before = 0.0, 0
    for step, speed in record.history.get("images_per_second", {}).items():
        if speed:
            seconds += (step - before) * 2 * sizes[0] * sizes[1] / speed
        before = step
    return seconds


def _duration(seconds: float) -> str:
    minutes, hours = round(seconds / 60), int(seconds // 3600)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if hours < 2 else f"{hours} h {minutes - 60 * hours} min"


def _gathered(notes: tuple[Note, ...]) -> list[dict[str, Any]]:
    """Return the notes; what one rule repeats is told once, with the steps at which it was seen."""
    gathered: dict[tuple[str, str], dict[str, Any]] = {}
    for note in notes:
        entry = gathered.setdefault((note.rule, note.direction), {"note": note, "steps": []})
        entry["note"] = note
        entry["steps"].append(note.step)
    return list(gathered.values())


def _summaries(metrics: set[str], plugins: Plugins) -> dict[str, str]:
    registry = plugins.registries.metrics
    return {component.name: component.summary for component in registry if component.name in metrics}


def _names(uses: Any) -> list[str]:
    listed = uses if isinstance(uses, list) else []
    return [str(use["name"]) for use in listed if isinstance(use, Mapping) and "name" in use]


def _flat(values: Mapping[str, Any]) -> dict[str, str]:
    """Return values, and those in tables among them, as text."""
    flat = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat[name] = ", ".join(f"{key} {inner}" for key, inner in value.items()) or "none"
        else:
            flat[name] = str(value)
    return flat
