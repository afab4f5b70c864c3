"""What is wrong with a training, in words, and the file in which a run keeps it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cgkit.files import json_lines

FILE = "health.jsonl"


@dataclass(frozen=True)
class Note:
    """Something that is wrong.

    Attributes:
        step: the step after which it was noted; 0 for what is known before training.
        rule: the rule that noted it.
        direction: `a2b` or `b2a`; None for what concerns the whole.
        message: what was seen, in one sentence.
        advice: what to change.
    """

    step: int
    rule: str
    direction: str | None
    message: str
    advice: str

    def __str__(self) -> str:
        where = f" {self.direction}" if self.direction else ""
        return f"{self.rule}{where}: {self.message}; {self.advice}"


def keep(folder: Path, notes: Sequence[Note]) -> None:
    """Add notes to a run folder's `health.jsonl`.

    Raises:
        OSError: it cannot be written.
    """
    for note in notes:
        json_lines.append(folder / FILE, asdict(note))


def rewind(folder: Path, step: int) -> None:
    """Drop the notes of later steps; all or nothing.

    Raises:
        OSError: the file cannot be replaced.
    """
    json_lines.rewind(folder / FILE, step)


def read_notes(folder: Path) -> tuple[Note, ...]:
    """Return a run folder's notes in their order; lines that are no notes, such as a torn last one, are passed over."""
    try:
        lines = (folder / FILE).read_bytes().splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        try:
            found.append(Note(**json.loads(line)))
        except (ValueError, TypeError, RecursionError):
            continue
    return tuple(found)
