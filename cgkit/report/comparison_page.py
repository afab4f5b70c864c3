"""The page of several runs: what `cgkit compare --output` writes."""

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
from cgkit.report.page import rendered, write_page
from cgkit.report.pictures import MOST_ROWS, Cell, Row, picture

STYLES = 6
"""How many colours there are."""
SIDE = 256
"""The longest side of a picture."""
OF_THE_LOSSES = ("objective", "adversarial_loss", "cycle_loss", "identity_loss")
"""The tables of a spec that say what the losses are: where they differ, so do the curves' meanings."""


def write_comparison(comparison: Comparison, output: Path, *, plugins: Plugins | None = None) -> Path:
    """Write the page of several runs; return its path.

    Args:
        comparison: the runs.
        output: the page.
        plugins: the loaded plugins, which say what metrics mean; by default all that are installed.

    Raises:
        UsageError: the page would replace a file of another origin.
        ResourceError: it cannot be written.
    """
    return write_page(output, comparison_text(comparison, plugins or load_plugins()))


def comparison_text(comparison: Comparison, plugins: Plugins) -> str:
    """Return the page of several runs."""
    facts = [facts_of(record) for record in comparison.records]
    runs = [
        {"label": label, "style": place % STYLES, "state": state_of(record), "facts": facts[place]}
        for place, (label, record) in enumerate(zip(comparison.labels, comparison.records, strict=True))
    ]
    changed = [place for place in comparison.differences if place.partition(".")[0] in OF_THE_LOSSES]
    return rendered(
        "comparison.html",
        title=" and ".join(comparison.labels) if len(runs) == 2 else f"{len(runs)} runs",
        runs=runs,
        facts=list(dict.fromkeys(name for told in facts for name in told)),
        differences={place: [_text(value) for value in values] for place, values in comparison.differences.items()},
        measured=list(_measured(comparison)),
        summaries=summaries_of({one.name for one in comparison.measurements}, plugins),
        directions=_directions(comparison.images, comparison.labels),
        remarks=comparison.remarks,
        image_remarks=comparison.images.remarks,
        charts=_charts(comparison),
        other_losses=changed,
    )


def _charts(comparison: Comparison) -> Charts:
    """Return a chart for everything that was recorded, with the curves of all runs over each other."""
    metrics = {one.name for one in comparison.measurements}
    together: dict[tuple[Subject, str], list[tuple[str, int, Values]]] = {}
    for place, (label, record) in enumerate(zip(comparison.labels, comparison.records, strict=True)):
        for name, values in record.history.items():
            together.setdefault((subject_of(name, metrics), name), []).append((label, place % STYLES, values))
    return charts_by_subject(together)


def _measured(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yield for each metric and direction the scale of what can be compared, and why the rest cannot."""
    for one in comparison.measurements:
        reasons = {label: one.reason(place) for place, label in enumerate(comparison.labels)}
        alike = [
            (label, place % STYLES, number)
            for place, (label, number) in enumerate(zip(comparison.labels, one.numbers, strict=True))
            if number is not None and not reasons[label]
        ]
        yield {
            "name": one.name,
            "direction": one.direction.replace("2", " to "),
            "scale": scale(alike),
            "reasons": {label: reason for label, reason in reasons.items() if reason},
        }


def _directions(images: SharedImages, labels: tuple[str, ...]) -> dict[str, list[Row]]:
    """Return for each direction the test images that all runs show: source, truth, and every run's translation."""
    directions: dict[str, list[Row]] = {}
    for direction in ("a2b", "b2a"):
        columns = {
            place: {column.role: column.pictures for column in sheet.columns if column.direction == direction}
            for place, sheet in images.sheets.items()
        }
        if not columns or not all("source" in own and "translation" in own for own in columns.values()):
            continue
        first = next(iter(columns.values()))
        names = next(iter(images.sheets.values())).names.get(direction[0], ())
        # The test images are the same and in one order; one run may show more of them than another.
        shown = min(MOST_ROWS, *(len(pictures) for own in columns.values() for pictures in own.values()))
        directions[direction] = []
        for row in range(shown):
            roles = [role for role in ("source", "truth") if role in first]
            given = [Cell(role, role, (picture(first[role][row], SIDE),)) for role in roles]
            made = [
                Cell("translation", labels[place], (picture(own["translation"][row], SIDE),))
                for place, own in columns.items()
            ]
            directions[direction].append(Row(names[row] if row < len(names) else "", (*given, *made)))
    return directions


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
