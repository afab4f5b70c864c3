"""Read a run folder for a report. Missing or damaged files are noted as problems and raise no errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from cgkit.errors import CgkitError, CheckpointError
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.record import FILE as EVALUATION
from cgkit.evaluation.record import Evaluation, read_evaluation
from cgkit.files import json_lines
from cgkit.files.reading import read_text, reason
from cgkit.health.notes import FILE as NOTES
from cgkit.health.notes import Note, read_notes
from cgkit.models.address import RESOLVED, Address
from cgkit.models.folder import no_run_folder
from cgkit.runs.continuing.changes import FILE as CHANGES
from cgkit.runs.continuing.changes import Change, read_changes
from cgkit.runs.continuing.launch import WRITTEN
from cgkit.runs.folder import RunFolder

HISTORY = "metrics.jsonl"
MOMENT = ("epoch", "time")
"""Recorded values that say when something was recorded; they are no part of the history."""
RECORDS = 20_000
"""The most records of losses that are read; more can be neither seen nor told apart in a chart."""
REGULAR = b'"learning_rate"'
"""What every record of losses contains, and no record of scores."""
LARGEST = 1e30
"""Values with a larger magnitude are treated as not finite, so that the axes of charts need not cover them."""
T = TypeVar("T")


@dataclass(frozen=True)
class Record:
    """The content of a run folder; parts that cannot be read are empty.

    Attributes:
        folder: the run folder.
        status: the content of `status.json`.
        written: the spec file as the user wrote it.
        spec: the resolved spec.
        environment: the content of `environment.json`.
        history: recorded values by name and step; None for a value that was not finite.
        evaluation: the scores; None if there are none.
        notes: the health notes, in order.
        changes: the changes of the spec and of the images during the training, in order.
        sheets: the sample sheets by step.
        problems: a sentence for each file that is missing, damaged or shown in part, by its name.
        place: the step of the checkpoint at which the run is shown, `best` or `last`; empty for all of the run.
    """

    folder: Path
    status: Mapping[str, Any] = field(default_factory=dict)
    written: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    history: Mapping[str, Mapping[int, float | None]] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    notes: tuple[Note, ...] = ()
    changes: tuple[Change, ...] = ()
    sheets: Mapping[int, Path] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    place: str = ""

    @property
    def name(self) -> str:
        """The name of the run."""
        return str(self.spec.get("name") or self.folder.resolve().name)

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics in the spec."""
        listed = self.spec.get("metric")
        uses = listed if isinstance(listed, list) else []
        return [str(use["name"]) for use in uses if isinstance(use, Mapping) and "name" in use]

    def up_to(self, step: int, place: str) -> Record:
        """Return the run as it was after a step; its scores are left as they are."""
        history = {
            name: {at: value for at, value in values.items() if at <= step} for name, values in self.history.items()
        }
        return replace(
            self,
            status={**self.status, "step": step},
            history={name: values for name, values in history.items() if values},
            notes=tuple(note for note in self.notes if note.step <= step),
            changes=tuple(change for change in self.changes if change.step < step),
            sheets={at: file for at, file in self.sheets.items() if at <= step},
            place=place,
        )


MISSING = {"evaluation.json": "This run has not been scored yet: there is no evaluation.json."}
"""What to say if a file is missing that a run writes late."""


def read_record(run: Path | str) -> Record:
    """Read a run folder, or what it contains up to a kept checkpoint: `RUN@STEP`, `RUN@best` or `RUN@last`.

    Raises:
        CheckpointError: the folder contains no files of a run, or the run has no such checkpoint.
    """
    address, problems = Address.of_run(run), dict[str, str]()
    path, step = address.folder, address.step()
    folder = RunFolder(path)

    def read_or_note(name: str, read: Callable[[], T | None], default: T, *, needed: bool = True) -> T:
        try:
            value = read()
        except OSError as error:
            problems[name] = f"{path / name} cannot be read: {reason(error)}"
            return default
        except (CgkitError, ValueError) as error:
            problems[name] = str(error)
            return default
        if needed and not value:
            problems[name] = MISSING.get(name, f"No {name} in this run folder.")
        return value or default

    record = Record(
        path,
        read_or_note("status.json", folder.status, {}),
        read_or_note("spec.toml", lambda: _read_text(path / WRITTEN) or _read_text(path / "spec.toml"), ""),
        read_or_note(RESOLVED, folder.remembered_spec, {}),
        read_or_note("environment.json", folder.environment, {}),
        read_or_note(HISTORY, lambda: _read_history(path / HISTORY, problems), {}),
        read_or_note(EVALUATION, lambda: _read_evaluation(address, step), None),
        read_or_note(NOTES, lambda: read_notes(path), (), needed=False),
        read_or_note(CHANGES, lambda: read_changes(path), (), needed=False),
        read_or_note("samples", folder.samples, {}),
        problems,
    )
    if not any((record.status, record.written, record.spec, record.history, record.sheets)):
        raise no_run_folder(path)
    return record if step is None else record.up_to(step, str(address.place))


def number_or_none(value: Any) -> float | None:
    """Return a value as a float that can be plotted; None if it is not a number or is too large."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= LARGEST else None


def _read_text(file: Path) -> str:
    """Return the text of a file; empty if there is none."""
    try:
        return read_text(file, errors="replace")
    except FileNotFoundError:
        return ""


def _read_history(file: Path, problems: dict[str, str]) -> dict[str, dict[int, float | None]]:
    history: dict[str, dict[int, float | None]] = {}
    if not os.path.lexists(file):
        return history
    every, lines = json_lines.read_evenly(file, REGULAR, RECORDS)
    if every > 1:
        problems[file.name] = f"Of the losses, one of {every} records is shown, because there are so many."
    for values in lines:
        step = values.pop("step")
        for name, value in values.items():
            if name in MOMENT:
                continue
            # If a step was recorded twice, the run repeated it after a resume, so the last record counts.
            history.setdefault(name, {})[step] = number_or_none(value)
    return {name: dict(sorted(values.items())) for name, values in history.items()}


def _read_evaluation(address: Address, step: int | None) -> Evaluation | None:
    """Return the scores of a run or, if a step is given, those of the model of that step."""
    if step is None:
        return _read_scores(address.folder)
    for folder in dict.fromkeys([address.scores_folder(step), address.folder]):
        evaluation = _read_scores(folder)
        if evaluation is not None and evaluation.step == step:
            return evaluation
    raise CheckpointError(f"{address} has not been evaluated", hint=f"use cgkit evaluate {address}")


def _read_scores(folder: Path) -> Evaluation | None:
    evaluation = read_evaluation(folder)
    if evaluation is not None and not all(map(_is_valid_number, evaluation.numbers)):
        raise CheckpointError(f"{folder / EVALUATION} is damaged", hint="recreate it with cgkit evaluate")
    return evaluation


def _is_valid_number(number: Number) -> bool:
    interval = number.interval
    numbers = [number.value, *(interval or ())]
    numbers += [value for value in (number.real, number.untranslated) if value is not None]
    return (
        isinstance(number.name, str)
        and isinstance(number.direction, str)
        and isinstance(number.protocol, Mapping)
        and (interval is None or len(interval) == 2)
        and all(number_or_none(value) is not None for value in numbers)
    )
