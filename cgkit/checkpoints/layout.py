"""The contents of a checkpoint, and the names of checkpoints in a run's `checkpoints` folder.

| name | meaning |
|---|---|
| `step-000000600` | a complete checkpoint |
| `.tmp-step-000000600-<pid>` | a checkpoint being written; never read, and later removed if its writer was killed |
| `.tmp-old-step-000000600-<pid>` | a checkpoint being replaced; read until the new one has its final name |
| `.tmp-pruned-step-000000600-<pid>` | a checkpoint being removed; never read, and later removed if some of it remains |
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

_FINISHED = re.compile(r"step-([0-9]{9,})")
_ASIDE = re.compile(r"\.tmp-old-step-([0-9]{9,})-[0-9]+")
_LITTER = re.compile(r"\.tmp-(?:pruned-)?step-([0-9]{9,})-[0-9]+")


@dataclass(frozen=True)
class Checkpoint:
    """The complete state of a run after a step.

    Attributes:
        step: Number of completed steps, 0 or more.
        tensors: For each file (such as `model`, `ema`, `optimizer` or `pool`), its tensors by name. Tensors read from
            disk are contiguous, on the CPU, and share no memory with a file or with each other.
        state: JSON values, such as schedules, counters, the resolved spec and plugin versions. Tuples are read back as
            lists.
    """

    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]


def finished_name(step: int) -> str:
    """Return the folder name of a complete checkpoint."""
    return f"step-{step:09d}"


def temporary_name(step: int, kind: Literal["", "old-", "pruned-"] = "") -> str:
    """Return the folder name of a checkpoint that this process is writing, replacing or removing."""
    return f".tmp-{kind}{finished_name(step)}-{os.getpid()}"


def finished_step(name: str) -> int | None:
    """Return the step in the folder name of a complete checkpoint, or None for any other name."""
    return _parse_step(_FINISHED, name)


def aside_step(name: str) -> int | None:
    """Return the step in the folder name of a checkpoint that is being replaced, or None for any other name."""
    return _parse_step(_ASIDE, name)


def step_of(path: Path) -> int:
    """Return the step of one of the folders that `list_checkpoints` returns."""
    return int(path.name.rpartition("step-")[2].partition("-")[0])


def is_litter(name: str) -> bool:
    """Return whether a folder name belongs to a checkpoint being written or removed; such a folder is never read."""
    return _parse_step(_LITTER, name) is not None


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the folders of a run's checkpoints, intact or damaged, in order of step.

    If a writer was killed while replacing a checkpoint, the old checkpoint is listed under its temporary name. The
    list is empty if the folder does not exist.
    """
    names = [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
    by_step = {step: name for name in sorted(names) if (step := aside_step(name)) is not None}
    by_step |= {step: name for name in names if (step := finished_step(name)) is not None}
    return [folder / by_step[step] for step in sorted(by_step)]


def _parse_step(pattern: re.Pattern[str], name: str) -> int | None:
    match = pattern.fullmatch(name)
    if match is None:
        return None
    digits = match.group(1)
    return int(digits) if len(digits) == 9 or not digits.startswith("0") else None
