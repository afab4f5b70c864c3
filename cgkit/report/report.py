"""The page of one run: what `cgkit report` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cgkit.health.notes import Note
from cgkit.plugins import Plugins, load_plugins
from cgkit.report.curves import charts_of
from cgkit.report.facts import facts_of, state_of, summaries_of
from cgkit.report.gauges import scales_of
from cgkit.report.page import rendered, write_page
from cgkit.report.pictures import Gallery, gallery
from cgkit.report.record import HISTORY, Record, read_record
from cgkit.report.reproduction import reproduction

FILE = "report.html"


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
        state=state_of(record),
        facts=facts_of(record),
        gallery=shown,
        gallery_data=gallery_data(shown),
        charts=charts_of(record.history, metrics),
        scales=scales_of(numbers),
        summaries=summaries_of(metrics, plugins),
        notes=_gathered(record.notes),
        environment=_flat(record.environment),
        reproduction=reproduction(record),
        missing=record.problems,
        HISTORY=HISTORY,
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


def _gathered(notes: tuple[Note, ...]) -> list[dict[str, Any]]:
    """Return the notes; what one rule repeats is told once, with the steps at which it was seen."""
    gathered: dict[tuple[str, str | None], dict[str, Any]] = {}
    for note in notes:
        entry = gathered.setdefault((note.rule, note.direction), {"note": note, "steps": []})
        entry["note"] = note
        entry["steps"].append(note.step)
    return list(gathered.values())


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
