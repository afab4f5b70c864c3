"""What each command says of each fault of each file of a run folder.

A cell that no row names exits with 0, without an error or a warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch

DAMAGED = "empty half flipped folder loop device pipe"
ALL = f"missing {DAMAGED}"
NO_FILE = "folder device pipe"


@dataclass(frozen=True)
class Row:
    """Cells with the same outcome: patterns of files, the command, the faults, the exit code, and part of a line."""

    files: str
    command: str
    faults: str
    code: int
    text: str

    def names(self, file: str, command: str, fault: str) -> bool:
        return command == self.command and fault in self.faults.split() and fnmatch(file, self.files)


USES = ("translate", "evaluate", "export")

TABLE = (
    Row(".lock", "run", "folder loop device", 7, ".lock cannot be written to: "),
    Row("best/*", "run", "folder", 7, " is saved: remove what is in its place"),
    Row("changes.jsonl", "run", "folder loop device pipe", 5, "changes.jsonl cannot be read: "),
    Row("checkpoints/step-000000006/*", "run", ALL, 0, "skipped a damaged checkpoint: "),
    Row("environment.json", "run", DAMAGED, 0, "environment.json cannot be read: "),
    Row("environment.json", "run", "folder", 7, "environment.json cannot be written to: Is a directory"),
    Row("evaluation.json", "compare", ALL, 0, "evaluation.json"),
    Row("evaluation.json", "evaluate", "folder", 7, "evaluation.json cannot be written: Is a directory"),
    Row("evaluation.json", "run", "folder", 7, "evaluation.json cannot be written: Is a directory"),
    Row("health.jsonl", "run", "folder loop device pipe", 0, "health, in rewind, failed: "),
    Row("launch.json", "run", "missing", 2, "does not say how it was started; pass its spec: "),
    Row("launch.json", "run", DAMAGED, 5, "launch.json is damaged: "),
    Row("metrics.jsonl", "run", NO_FILE, 0, "tracker jsonl, in rewind, failed: "),
    Row("model/*", "run", "folder", 7, " is saved: remove what is in its place"),
    *(Row("model/config.json", command, ALL, 5, "config.json") for command in USES),
    *(Row("model/model.safetensors", command, ALL, 5, "model.safetensors") for command in USES),
    Row("report.html", "run", NO_FILE, 0, "report.html exists and is not a report"),
    Row("report.html", "report", NO_FILE, 2, "report.html exists and is not a report"),
    Row("spec.resolved.json", "compare", ALL, 0, "spec.resolved.json"),
    Row("spec.resolved.json", "evaluate", ALL, 0, "it is used as the newest checkpoint has it"),
    Row("spec.resolved.json", "run", ALL, 0, "it is used as the newest checkpoint has it"),
    Row("spec.resolved.json", "run", "folder", 7, "spec.resolved.json cannot be written to: Is a directory"),
    Row("spec.resolved.json", "runs", ALL, 0, "spec.resolved.json "),
    Row("spec.toml", "run", ALL, 2, "spec.toml:"),
    Row("status.json", "run", "folder", 0, "status.json cannot be written: "),
    Row("status.json", "runs", DAMAGED, 0, "status.json cannot be read: "),
    Row("status.json", "watch", "missing", 5, "is not a run folder"),
    Row("status.json", "watch", DAMAGED, 5, "status.json cannot be read: "),
)


def expected(file: str, command: str, fault: str) -> tuple[int, str | None]:
    """The exit code of a cell, and what its error or warning says; None if it has neither."""
    row = next((row for row in reversed(TABLE) if row.names(file, command, fault)), None)
    return (0, None) if row is None else (row.code, row.text)
