"""The page of a study: its tables, and the pictures of all variants side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cgkit.display.durations import format_duration
from cgkit.errors import CgkitError
from cgkit.plugins import Plugins
from cgkit.report.comparison import compare
from cgkit.report.comparison_page import STYLES, rows_of
from cgkit.report.facts import summaries_of
from cgkit.report.gauges import scale
from cgkit.report.page import render, write_page
from cgkit.report.pictures import Row
from cgkit.studies.results import Results, Table
from cgkit.studies.study import ALONE, write_overrides

PACKAGE = "cgkit.studies"


def write_study_page(results: Results, file: Path, plugins: Plugins) -> Path:
    """Write the page of a study; return its path.

    Raises:
        UsageError: the file exists and is not a page of cgkit.
        ResourceError: the page cannot be written.
    """
    return write_page(file, render_study_page(results, plugins))


def render_study_page(results: Results, plugins: Plugins) -> str:
    """Return the page of a study as HTML."""
    study = results.study
    styles = {variant: number % STYLES for number, variant in enumerate(study.variants)}
    seconds = sum(found.seconds or 0.0 for found in results.found)
    metrics = {table.metric for table in results.tables}
    parts = [
        {
            "title": "Scores" if data == ALONE else data,
            "tables": [_show(table, styles, results) for table in results.tables if table.data == data],
            **_show_pictures(results, data),
        }
        for data in study.data
    ]
    return render(
        "study.html",
        PACKAGE,
        study=study,
        styles=styles,
        variants={name: list(write_overrides(overrides)) for name, overrides in study.variants.items()},
        parts=parts,
        summaries=summaries_of(metrics, plugins),
        training=format_duration(seconds),
        finished=results.count("finished"),
        remarks=results.remarks,
        failed=[found for found in results.found if found.state == "failed"],
        missing=[found for found in results.found if found.state not in ("finished", "failed")],
    )


def _show(table: Table, styles: Mapping[str, int], results: Results) -> dict[str, Any]:
    """Return a table, its entries as gauges on an axis of their own, and the baselines, which may be far away."""
    number = table.number
    drawn = replace(number, real=None, untranslated=None)
    numbers = [
        (entry.variant, styles[entry.variant], replace(drawn, value=entry.mean, interval=entry.interval))
        for entry in table.entries
    ]
    expected = results.study.expected
    return {
        "table": table,
        "scale": scale(numbers),
        "baselines": {"untranslated": number.untranslated, "real images": number.real},
        "order": table.order(expected),
        "disagreements": table.disagreements(expected),
    }


def _show_pictures(results: Results, data: str) -> dict[str, Any]:
    """Return the test images that the runs of the first finished seed of a data set share, and remarks."""
    nothing: dict[str, Sequence[Row]] = {}
    for seed in results.study.seeds:
        finished = [found for found in results.found if found.planned.data == data and found.planned.seed == seed]
        finished = [found for found in finished if found.state == "finished"]
        if len(finished) < 2:
            continue
        try:
            comparison = compare([found.folder for found in finished])
        except CgkitError as error:
            return {"directions": nothing, "sides": {}, "seed": seed, "remarks": [str(error)]}
        rows = rows_of(comparison.images, tuple(found.planned.variant for found in finished))
        return {"directions": rows, "sides": comparison.sides, "seed": seed, "remarks": comparison.images.remarks}
    return {"directions": nothing, "sides": {}, "seed": None, "remarks": ()}
