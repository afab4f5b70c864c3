"""The comparison page of several runs, as written by `cgkit compare --output`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cgkit.plugins import Plugins, load_plugins
from cgkit.report.comparison import Comparison, SharedImages
from cgkit.report.curves import Charts, Subject, Values, charts_by_subject, subject_of
from cgkit.report.facts import facts_of, state_of, summaries_of
from cgkit.report.gauges import scale
from cgkit.report.page import render, write_page
from cgkit.report.pictures import MAX_ROWS, TITLES, Cell, Row, picture

STYLES = 6
"""The number of colours for runs; further runs reuse these colours."""
SIDE = 256
"""The maximum length of a picture's longest side, in pixels."""
LOSS_TABLES = ("objective", "adversarial_loss", "cycle_loss", "identity_loss")
"""The spec tables that define the losses: if these tables differ, loss curves are not comparable."""


def write_comparison(comparison: Comparison, output: Path, *, plugins: Plugins | None = None) -> Path:
    """Write the comparison page; return its path.

    Args:
        comparison: the comparison to show.
        output: the file to write.
        plugins: the loaded plugins, which describe the metrics; by default all installed ones.

    Raises:
        UsageError: `output` exists and is not a report.
        ResourceError: the page cannot be written.
    """
    return write_page(output, render_comparison(comparison, plugins or load_plugins()))


def render_comparison(
    comparison: Comparison,
    plugins: Plugins,
    template: str = "comparison.html",
    package: str = "cgkit.report",
    **values: Any,
) -> str:
    """Return the comparison page as HTML, or a page whose template extends it and takes more values."""
    facts = [facts_of(record) for record in comparison.records]
    runs = [
        {"label": label, "style": index % STYLES, "state": state_of(record), "facts": facts[index]}
        for index, (label, record) in enumerate(zip(comparison.labels, comparison.records, strict=True))
    ]
    loss_differences = [key for key in comparison.differences if key.partition(".")[0] in LOSS_TABLES]
    return render(
        template,
        package,
        **values,
        title=" and ".join(comparison.labels) if len(runs) == 2 else f"{len(runs)} runs",
        runs=runs,
        facts=list(dict.fromkeys(name for run_facts in facts for name in run_facts)),
        differences={key: [_format_value(value) for value in values] for key, values in comparison.differences.items()},
        measurements=list(_compare_scores(comparison)),
        summaries=summaries_of({measurement.name for measurement in comparison.measurements}, plugins),
        sides=comparison.sides,
        directions=rows_of(comparison.images, comparison.labels),
        remarks=comparison.remarks,
        image_remarks=comparison.images.remarks,
        charts=_build_charts(comparison),
        loss_differences=loss_differences,
    )


def _build_charts(comparison: Comparison) -> Charts:
    """Return one chart for each recorded name, with the curves of all runs."""
    metrics = {measurement.name for measurement in comparison.measurements}
    curves: dict[tuple[Subject, str], list[tuple[str, int, Values]]] = {}
    for index, (label, record) in enumerate(zip(comparison.labels, comparison.records, strict=True)):
        for name, values in record.history.items():
            curves.setdefault((subject_of(name, metrics), name), []).append((label, index % STYLES, values))
    return charts_by_subject(curves)


def _compare_scores(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yield, for each metric and direction, the scale of the comparable numbers and the reasons for omitting others."""
    for measurement in comparison.measurements:
        reasons = {label: measurement.reason(index) for index, label in enumerate(comparison.labels)}
        comparable = [
            (label, index % STYLES, number)
            for index, (label, number) in enumerate(zip(comparison.labels, measurement.numbers, strict=True))
            if number is not None and not reasons[label]
        ]
        yield {
            "name": measurement.name,
            "direction": comparison.sides.get(measurement.direction, measurement.direction),
            "scale": scale(comparable),
            "reasons": {label: reason for label, reason in reasons.items() if reason},
        }


def rows_of(images: SharedImages, labels: tuple[str, ...]) -> dict[str, list[Row]]:
    """Return the shared test images by direction: each row has the source, ground truth and translations."""
    directions: dict[str, list[Row]] = {}
    for direction in ("a2b", "b2a"):
        columns = {
            run: {column.role: column.pictures for column in sheet.columns if column.direction == direction}
            for run, sheet in images.sheets.items()
        }
        if not columns or not all("source" in own and "translation" in own for own in columns.values()):
            continue
        first = next(iter(columns.values()))
        names = next(iter(images.sheets.values())).names.get(direction[0], ())
        # All runs show the same test images in the same order, but some runs may show more images than others.
        count = min(MAX_ROWS, *(len(pictures) for own in columns.values() for pictures in own.values()))
        directions[direction] = []
        for row in range(count):
            roles = [role for role in ("source", "truth") if role in first]
            inputs = [Cell(role, TITLES.get(role, role), (picture(first[role][row], SIDE),)) for role in roles]
            translations = [
                Cell("translation", labels[run], (picture(own["translation"][row], SIDE),))
                for run, own in columns.items()
            ]
            directions[direction].append(Row(names[row] if row < len(names) else "", (*inputs, *translations)))
    return directions


def _format_value(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
