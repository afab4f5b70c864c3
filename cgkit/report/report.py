"""The report page of one run, as written by `cgkit report`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cgkit.display.durations import format_duration
from cgkit.health.notes import Note
from cgkit.plugins import Plugins, load_plugins
from cgkit.report.curves import charts_of
from cgkit.report.facts import facts_of, state_of, summaries_of, training_time
from cgkit.report.gauges import scales_of
from cgkit.report.page import render, write_page
from cgkit.report.pictures import Gallery, gallery
from cgkit.report.record import HISTORY, Record, read_record
from cgkit.report.reproduction import reproduction
from cgkit.spec.images import in_words, labels_of

FILE = "report.html"
PAGE = "page.html"
"""A web page in the run folder that translates images, as `cgkit export --format page` writes it."""


def write_report(run: Path | str, *, output: Path | None = None, plugins: Plugins | None = None) -> Path:
    """Write the report of a run, even if its folder is incomplete; return the path of the report.

    Args:
        run: the run folder, or a kept checkpoint of the run, such as `RUN@1200`, to report the run up to that step.
        output: the file to write; by default `report.html` in the run folder, or `report-STEP.html` for a checkpoint.
        plugins: the loaded plugins, which describe the metrics; by default all installed ones.

    Raises:
        CheckpointError: `run` is not a run folder.
        UsageError: `output` exists and is not a report.
        ResourceError: the page cannot be written.
    """
    record = read_record(run)
    name = f"report-{record.place}.html" if record.place else FILE
    file, page = output or record.folder / name, render_report(record, plugins or load_plugins())
    if file.is_file() and file.stat().st_size == 0:  # what an interrupted write of an earlier version left
        file.unlink()
    return write_page(file, page)


def render_report(
    record: Record, plugins: Plugins, template: str = "report.html", package: str = "cgkit.report", **values: Any
) -> str:
    """Return the report page as HTML, or a page whose template extends it and takes more values."""
    labels = labels_of(record.spec)
    numbers = record.evaluation.numbers if record.evaluation is not None else ()
    metrics = {number.name for number in numbers} | set(record.metrics)
    return render(
        template,
        package,
        **values,
        record=record,
        state=state_of(record),
        facts=facts_of(record),
        labels=labels,
        **_describe_samples(record),
        charts=charts_of(record.history, metrics, labels),
        scales=scales_of(numbers, labels),
        summaries=summaries_of(metrics, plugins),
        notes=_group_notes(record.notes, labels),
        environment=_flatten(record.environment),
        reproduction=reproduction(record),
        missing=record.problems,
        page=PAGE if (record.folder / PAGE).is_file() else "",
        HISTORY=HISTORY,
    )


def _describe_samples(record: Record) -> dict[str, Any]:
    shown = gallery(record.sheets)
    data = gallery_data(shown, record)
    return {"gallery": shown, "gallery_data": data, "elapsed": data["times"][-1] if data["times"] else ""}


def gallery_data(shown: Gallery | None, record: Record) -> dict[str, Any]:
    """Return the data of the step slider as JSON values.

    These are the steps, the training times until then in words, and, by cell, all picture URLs except the last.
    """
    if shown is None:
        return {"steps": [], "times": [], "cells": {}}
    seconds = [training_time(record, step) for step in shown.steps]
    times = ["" if each is None else f"after {format_duration(each)}" for each in seconds]
    cells = {
        f"{direction}-{number}-{cell.role}": [picture.source for picture in cell.pictures[:-1]]
        for direction, rows in shown.directions.items()
        for number, row in enumerate(rows)
        for cell in row.cells
        if len(cell.pictures) > 1
    }
    return {"steps": shown.steps, "times": times, "cells": cells}


def _group_notes(notes: tuple[Note, ...], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Group notes by rule and direction; return the last note of each group with the steps of all its notes."""
    groups: dict[tuple[str, str | None], dict[str, Any]] = {}
    for note in notes:
        entry = groups.setdefault((note.rule, note.direction), {"note": note, "steps": []})
        entry["note"] = replace(note, message=in_words(note.message, labels), advice=in_words(note.advice, labels))
        entry["steps"].append(note.step)
    return list(groups.values())


def _flatten(values: Mapping[str, Any]) -> dict[str, str]:
    """Return values as text, with each nested table on one line."""
    texts = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            texts[name] = ", ".join(f"{key} {inner}" for key, inner in value.items()) or "none"
        else:
            texts[name] = str(value)
    return texts
