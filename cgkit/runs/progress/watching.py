"""Follow a run through the files in its folder."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cgkit.display.reporter import Progress, Reporter
from cgkit.errors import CheckpointError
from cgkit.files.json_lines import LAST
from cgkit.models.folder import no_run_folder
from cgkit.runs.folder import RunFolder

LARGEST = 1e30
"""The bound on the numbers of a status."""

SILENT_AFTER = 120.0
"""Seconds without a new status after which a run may have been killed. Its steps may take long, so nobody knows."""


def follow(run: Path, reporter: Reporter, *, interval: float) -> dict[str, Any]:
    """Report the progress of a run until it ends; return its last status.

    Args:
        run: the run folder.
        reporter: shows the progress.
        interval: seconds between two looks.

    Raises:
        CheckpointError: the folder is no run folder, or its `status.json` is damaged.
    """
    folder, warned_of = RunFolder(run), ""
    while True:
        status = folder.status()
        if not status:
            raise no_run_folder(run)
        if type(status.get("exit_code", 0)) is not int or not isinstance(status.get("state"), str):
            raise CheckpointError(f"{run / 'status.json'} does not say how the run is")
        reporter.progress(read_progress(status, run))
        if status.get("state") != "running":
            return {"exit_code": 0, **status}
        if (last := str(status.get("at"))) != warned_of and _age(last) > SILENT_AFTER:
            warned_of = last
            reporter.warning(f"no news of this run since {last}: a step takes that long, or its process was killed")
        time.sleep(interval)


def read_progress(status: Mapping[str, Any], run: Path) -> Progress:
    """Return the progress that a status describes.

    Raises:
        CheckpointError: the status is damaged.
    """
    values = {field.name: status[field.name] for field in fields(Progress) if field.name in status}
    counts, losses = [values.get("step"), values.get("steps")], values.get("losses", {})
    numbers = [value for name, value in values.items() if name not in ("step", "steps", "losses") and value is not None]
    numbers += losses.values() if isinstance(losses, Mapping) else [losses]
    valid = all(type(count) is int and 0 <= count <= LAST for count in counts) and all(map(_is_number, numbers))
    if not valid or not values["steps"] or None in (values.get("epoch"), values.get("epochs")):
        raise CheckpointError(f"{run / 'status.json'} says nothing about the progress of a run")
    return Progress(**values)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= abs(value) < LARGEST


def _age(at: str) -> float:
    """Return the seconds since a time; 0 if it is unknown."""
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
    except (TypeError, ValueError):
        return 0.0
