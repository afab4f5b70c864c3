"""Notes on problems of a training run, and the file `health.jsonl` that stores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cgkit.files import json_lines

FILE = "health.jsonl"


@dataclass(frozen=True)
class Note:
    """A note on a problem that was detected.

    Attributes:
        step: the step at which the problem was noted; 0 before training.
        rule: the name of the rule that detected the problem.
        direction: `a2b` or `b2a`; None if the problem concerns both.
        message: what was observed and what it probably means.
        advice: what to change.
    """

    step: int
    rule: str
    direction: str | None
    message: str
    advice: str

    def __str__(self) -> str:
        direction = f" {self.direction}" if self.direction else ""
        return f"{self.rule}{direction}: {self.message}; {self.advice}"


def keep(folder: Path, notes: Sequence[Note]) -> None:
    """Append notes to `health.jsonl` in a run folder.

    Raises:
        OSError: the file cannot be written.
    """
    for note in notes:
        json_lines.append(folder / FILE, asdict(note))


def rewind(folder: Path, step: int) -> None:
    """Delete the notes of steps after `step`, atomically.

    Raises:
        OSError: the file cannot be replaced.
    """
    json_lines.rewind(folder / FILE, step)


def read_notes(folder: Path) -> tuple[Note, ...]:
    """Return the notes of a run folder in file order; invalid lines, such as a truncated last one, are skipped.

    Raises:
        CheckpointError: the file cannot be read.
    """
    return tuple(Note(**values) for values in json_lines.read_record(folder / FILE) if _is_note(values))


def _is_note(values: dict[str, Any]) -> bool:
    if values.keys() != Note.__dataclass_fields__.keys():
        return False
    texts = [values["rule"], values["direction"] or "", values["message"], values["advice"]]
    return all(isinstance(text, str) for text in texts)
