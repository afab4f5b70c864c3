"""What a checkpoint holds, and the names that it and its makings have in a run's `checkpoints` folder.

| name | what it is |
|---|---|
| `step-000000600` | a finished checkpoint |
| `.tmp-step-000000600-<pid>` | one being written: never read, litter once its writer is gone |
| `.tmp-old-step-000000600-<pid>` | one set aside while its successor takes its place: read until that is there |
| `.tmp-pruned-step-000000600-<pid>` | one being removed: never read, litter |
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

_FINISHED = re.compile(r"step-([0-9]{9,})")
_ASIDE = re.compile(r"\.tmp-old-step-([0-9]{9,})-[0-9]+")
_LITTER = re.compile(r"\.tmp-(?:pruned-)?step-([0-9]{9,})-[0-9]+")


@dataclass(frozen=True)
class Checkpoint:
    """The whole state of a run after a step.

    Attributes:
        step: Steps done, 0 or more.
        tensors: For each file (`model`, `ema`, `optimizer`, `pool` ...) its tensors by name. Those that were read
            are contiguous, on the CPU, and share no memory with a file or with each other.
        state: JSON values: schedules, counters, the resolved spec, plugin versions ... Tuples come back as lists.
    """

    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]


def finished_name(step: int) -> str:
    """Return the name of the folder of a finished checkpoint."""
    return f"step-{step:09d}"


def temporary_name(step: int) -> str:
    """Return the name of the folder in which this process writes a checkpoint."""
    return f".tmp-{finished_name(step)}-{os.getpid()}"


def aside_name(step: int) -> str:
    """Return the name that a checkpoint has while its successor takes its place."""
    return f".tmp-old-{finished_name(step)}-{os.getpid()}"


def pruned_name(step: int) -> str:
    """Return the name that a checkpoint has while it is removed."""
    return f".tmp-pruned-{finished_name(step)}-{os.getpid()}"


def finished_step(name: str) -> int | None:
    """Return the step of a finished checkpoint's folder, None for any other name."""
    return _step(_FINISHED, name)


def aside_step(name: str) -> int | None:
    """Return the step of a checkpoint that was set aside, None for any other name."""
    return _step(_ASIDE, name)


def is_litter(name: str) -> bool:
    """Return whether a name is one of ours that no reader looks at."""
    return _step(_LITTER, name) is not None


def list_checkpoints(folder: Path) -> list[Path]:
    """Return a run's checkpoints, by step: those that are there, good or damaged; empty where there is no folder.

    A checkpoint whose writer was killed while it replaced it is listed under the name by which it was set aside.
    """
    names = [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
    found = {step: name for name in sorted(names) if (step := aside_step(name)) is not None}
    found |= {step: name for name in names if (step := finished_step(name)) is not None}
    return [folder / found[step] for step in sorted(found)]


def _step(pattern: re.Pattern[str], name: str) -> int | None:
    match = pattern.fullmatch(name)
    if match is None:
        return None
    digits = match.group(1)
    return int(digits) if len(digits) == 9 or not digits.startswith("0") else None
