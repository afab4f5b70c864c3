"""What is said of a run in few words."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cgkit.plugins import Plugins
from cgkit.report.record import Record, number_or_none

STATES = {
    "running": "It is being trained, or was ended without a chance to say so.",
    "finished": "Training went to its end.",
    "stopped": "Training was stopped and saved; the same command continues it.",
    "diverged": "A loss or a gradient was no longer finite.",
    "failed": "Something went wrong.",
}
"""What the states of a run mean."""


def state_of(record: Record) -> dict[str, str]:
    """Return how a run stands: by name, in words, and what went wrong."""
    name = str(record.status.get("state") or "unknown")
    told = STATES.get(name, "How it stands is not known.")
    return {"name": name, "kind": name if name in STATES else "unknown", "told": told} | {
        "error": str(record.status.get("error") or "")
    }


def facts_of(record: Record) -> dict[str, str]:
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
    for name, value in (("device", record.environment.get("device")), ("last heard of", record.status.get("at"))):
        if value:
            facts[name] = str(value).replace("T", " ").replace("+00:00", " UTC")
    if record.evaluation is not None:
        facts["weights"] = "moving average" if record.evaluation.weights == "ema" else "as trained"
    return facts


def summaries_of(metrics: Collection[str], plugins: Plugins) -> dict[str, str]:
    """Return what metrics mean, by name, of those that are known."""
    registry = plugins.registries.metrics
    return {component.name: component.summary for component in registry if component.name in metrics}


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
