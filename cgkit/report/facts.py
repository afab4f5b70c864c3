"""Key facts about a run: its state, progress, duration and metrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from cgkit.display.durations import format_duration
from cgkit.plugins import Plugins
from cgkit.report.record import Record, number_or_none

STATES = {
    "running": ("Training", "Training is in progress, unless its process was killed."),
    "finished": ("Finished", ""),
    "stopped": ("Stopped", "Training was stopped, and its state was saved. To resume it: cgkit run {folder}"),
    "interrupted": ("Interrupted", "Training was ended at once. To resume from its checkpoint: cgkit run {folder}"),
    "diverged": ("Diverged", "A loss or a gradient became infinite or NaN."),
    "failed": ("Failed", "Training failed with an error."),
}
"""The label and the description of each state."""


def state_of(record: Record) -> dict[str, str]:
    """Return the state of a run: its kind, label, description and error message."""
    name = str(record.status.get("state") or "unknown")
    label, description = STATES.get(name, (name.capitalize(), "The state of this run is unknown."))
    error = str(record.status.get("error") or "")
    kind = name if name in STATES else "unknown"
    return {"kind": kind, "label": label, "description": description.format(folder=record.folder), "error": error}


def facts_of(record: Record) -> dict[str, str]:
    """Return the key facts about a run by label."""
    facts = {}
    step, steps = record.status.get("step"), record.status.get("steps")
    reached = max((step for values in record.history.values() for step in values), default=None)
    if record.status.get("state") == "running" or not isinstance(step, int):
        step = reached if reached is not None else step
    if step is not None:
        facts["Steps"] = f"{step} of {steps}" if steps is not None else str(step)
    if seconds := training_time(record):
        facts["Training time"] = format_duration(seconds)
    left = number_or_none(record.status.get("seconds_left"))
    if left is not None and record.status.get("state") == "running":
        facts["Time left"] = format_duration(left)
    for name, value in (("Device", record.environment.get("device")), ("Last update", record.status.get("at"))):
        if value:
            facts[name] = str(value).replace("T", " ").replace("+00:00", " UTC")
    if record.evaluation is not None:
        facts["Weights"] = "moving average (EMA)" if record.evaluation.weights == "ema" else "as trained"
    return facts


def summaries_of(metrics: Collection[str], plugins: Plugins) -> dict[str, str]:
    """Return one-line descriptions, by name, of the metrics that the plugins provide; others are left out."""
    registry = plugins.registries.metrics
    return {component.name: component.summary for component in registry if component.name in metrics}


def training_time(record: Record, until: int | None = None) -> float | None:
    """Return the seconds spent on the recorded steps, excluding samples, scores and checkpoints; None if unknown.

    Args:
        record: the run.
        until: the last step that counts; by default that of the run.
    """
    seconds, previous = 0.0, 0
    for step, speed in record.history.get("images_per_second", {}).items():
        if until is not None and step > until:
            break
        sizes = [number_or_none(_find_setting(record, key, step)) for key in ("batch", "accumulate")]
        if speed and sizes[0] and sizes[1]:
            seconds += (step - previous) * 2 * sizes[0] * sizes[1] / speed
        previous = step
    return seconds or None


def _find_setting(record: Record, key: str, step: int) -> Any:
    """Return the value that a training setting had at a step, which may have changed since."""
    train = record.spec.get("train")
    value = train.get(key) if isinstance(train, Mapping) else None
    for change in reversed(record.changes):
        if change.path == f"train.{key}" and step <= change.step:
            value = change.old
    return value
