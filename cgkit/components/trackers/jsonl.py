"""A run's numbers as lines of JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path


class JsonLines:
    """One JSON object a line, in metrics.jsonl.

    `{"step": 10, "cycle_forward": 1.25}`: the step, then the numbers by name. Numbers that are not finite, which JSON
    cannot express, are null. The file holds no torn line after a rewind, and a record is with the system when
    `record` returns.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.jsonl"

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Append a line.

        Raises:
            OSError: it cannot be written.
        """
        numbers = {name: float(value) for name, value in values.items()}
        line = {"step": step} | {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    def rewind(self, step: int) -> None:
        """Drop the lines of later steps, and any that cannot be read; all or nothing.

        Raises:
            OSError: the file cannot be replaced; it is as it was.
        """
        if not self.path.exists():
            return
        temporary = self.path.with_name(f".tmp-{os.getpid()}-{self.path.name}")
        try:
            with self.path.open("rb") as old, temporary.open("wb") as new:
                new.writelines(line for line in old if line.endswith(b"\n") and _step(line) <= step)
                new.flush()
                os.fsync(new.fileno())
            temporary.replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def close(self) -> None:
        """Do nothing: no file stays open."""


def _step(line: bytes) -> float:
    """Return the step of a line, infinity where it has none."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, TypeError, KeyError):
        return math.inf
    return step if isinstance(step, int) else math.inf
