"""What a run folder tells, read with patience: whatever is missing or damaged is said in its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cgkit.errors import CgkitError, CheckpointError
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.record import FILE as EVALUATION
from cgkit.evaluation.record import Evaluation, read_evaluation
from cgkit.health.notes import Note, read_notes
from cgkit.models.folder import no_run_folder
from cgkit.runs.folder import RunFolder

HISTORY = "metrics.jsonl"
LARGEST = 1e30
"""A number beyond this says no more than that something went wrong, and no axis should have to hold it."""
LAST = 10**12
"""No step is beyond this."""

T = TypeVar("T")


@dataclass(frozen=True)
class Record:
    """A run as its folder tells it.

    Attributes:
        folder: the run folder.
        status: `status.json`; empty where it cannot be had, as all that follow.
        written: the spec as the user wrote it.
        spec: the resolved spec.
        environment: what the run was made with.
        history: by name, the numbers that were recorded, by step; None is one that was not finite.
        evaluation: what was measured at the end.
        notes: on the health of the training, in order.
        sheets: the sheets of test images, by step.
        problems: what is missing or damaged, by the file's name.
    """

    folder: Path
    status: Mapping[str, Any] = field(default_factory=dict)
    written: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    history: Mapping[str, Mapping[int, float | None]] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    notes: tuple[Note, ...] = ()
    sheets: Mapping[int, Path] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the run is called."""
        return str(self.spec.get("name") or self.folder.resolve().name)


def read_record(path: Path) -> Record:
    """Read what there is in a run folder.

    Raises:
        CheckpointError: the folder holds nothing that a run writes.
    """
    folder, problems = RunFolder(path), dict[str, str]()

    def told(name: str, read: Callable[[], T | None], nothing: T) -> T:
        try:
            value = read()
        except (CgkitError, OSError, ValueError) as error:
            problems[name] = str(error)
            return nothing
        if not value:
            problems[name] = f"There is no {name} in this run folder."
        return value or nothing

    record = Record(
        path,
        told("status.json", folder.status, {}),
        told("spec.toml", lambda: _text(path / "spec.toml"), ""),
        told("spec.resolved.json", folder.remembered_spec, {}),
        told("environment.json", folder.environment, {}),
        told(HISTORY, lambda: _history(path / HISTORY), {}),
        told(EVALUATION, lambda: _evaluation(path), None),
        tuple(filter(_is_note, read_notes(path))),
        told("samples", folder.samples, {}),
        problems,
    )
    if not any((record.status, record.written, record.spec, record.history, record.sheets)):
        raise no_run_folder(path)
    return record


def number_or_none(value: Any) -> float | None:
    """Return a number that can be drawn; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= LARGEST else None


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of JSON lines; a torn or damaged line is passed over."""
    for line in _text(file).splitlines():
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(values, dict) and type(step := values.get("step")) is int and 0 <= step <= LAST:
            yield values


def _history(file: Path) -> dict[str, dict[int, float | None]]:
    history: dict[str, dict[int, float | None]] = {}
    for values in _lines(file):
        step = values.pop("step")
        for name, value in values.items():
            # A step that comes again was done again.
            history.setdefault(name, {})[step] = number_or_none(value)
    return {name: dict(sorted(values.items())) for name, values in history.items()}


def _is_note(note: Note) -> bool:
    texts = (note.rule, note.direction or "", note.message, note.advice)
    return type(note.step) is int and all(isinstance(text, str) for text in texts)


def _evaluation(path: Path) -> Evaluation | None:
    evaluation = read_evaluation(path)
    if evaluation is not None and not all(map(_is_sound, evaluation.numbers)):
        raise CheckpointError(f"{path / EVALUATION} is damaged", hint="write it again: cgkit evaluate")
    return evaluation


def _is_sound(number: Number) -> bool:
    interval = number.interval
    numbers = [number.value, *(interval or ())]
    numbers += [bound for bound in (number.real, number.untranslated) if bound is not None]
    return (
        isinstance(number.name, str)
        and isinstance(number.direction, str)
        and isinstance(number.protocol, Mapping)
        and (interval is None or len(interval) == 2)
        and all(number_or_none(value) is not None for value in numbers)
    )
