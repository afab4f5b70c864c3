"""Trackers that keep or break their contract."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from tests.testing.broken.registry import breaks_only, good


@good("trackers")
class Tracker:
    """Writes numbers into a text file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "numbers.txt"

    def record(self, step: int, values: Mapping[str, float]) -> None:
        with self.file.open("a") as stream:
            stream.write(f"{step} {dict(values)}\n")

    def rewind(self, step: int) -> None:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        self.file.write_text("".join(f"{line}\n" for line in lines if int(line.split()[0]) <= step))

    def close(self) -> None:
        pass


@breaks_only("trackers", "trackers-take-what-a-run-gives")
class RefusesInfinity(Tracker):
    """Refuses numbers that are not finite."""

    def record(self, step: int, values: Mapping[str, float]) -> None:
        if not all(math.isfinite(value) for value in values.values()):
            raise ValueError("not finite")
        super().record(step, values)


@breaks_only("trackers", "trackers-continue-what-another-process-wrote")
class RefusesExistingFile(Tracker):
    """Refuses to rewind a file that another tracker wrote."""

    def rewind(self, step: int) -> None:
        if step and self.file.exists() and "0.5" in self.file.read_text():
            raise FileExistsError(self.file)
        super().rewind(step)
