"""A run's metrics as JSON lines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from cgkit.files import json_lines


class JsonLines:
    """One JSON object per line, in `metrics.jsonl`.

    A line such as `{"step": 10, "cycle_forward": 1.25}` holds the step, then the values by name. NaN and infinity,
    which JSON cannot express, become null. When `record` returns, the line has been handed to the operating system;
    `rewind` removes incomplete lines.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.jsonl"

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Append a line with the values of a step.

        Raises:
            OSError: the line cannot be written.
        """
        numbers = {name: float(value) for name, value in values.items()}
        line = {"step": step} | {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        json_lines.append(self.path, line)

    def rewind(self, step: int) -> None:
        """Remove the lines of all steps after `step`, and lines after them that cannot be parsed.

        Raises:
            OSError: the file cannot be changed, and is as it was.
        """
        json_lines.rewind(self.path, step)

    def close(self) -> None:
        """Do nothing: no file is kept open."""
