"""A run's numbers as lines of JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from cgkit.files import json_lines


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
        json_lines.append(self.path, line)

    def rewind(self, step: int) -> None:
        """Drop the lines of later steps, and any that cannot be read; all or nothing.

        Raises:
            OSError: the file cannot be replaced; it is as it was.
        """
        json_lines.rewind(self.path, step)

    def close(self) -> None:
        """Do nothing: no file stays open."""
