"""The file in which a run's numbers are kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cgkit.errors import CheckpointError, ResourceError
from cgkit.evaluation.numbers import Number
from cgkit.files.atomic import replace_text

FILE = "evaluation.json"
FORMAT = 2


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured of one model.

    Attributes:
        step: the step that the model was saved at.
        weights: `ema` for a moving average, else `trained`.
        numbers: by metric, both directions.
    """

    step: int
    weights: Literal["ema", "trained"]
    numbers: tuple[Number, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as the values of the file."""
        numbers = [number.to_json() for number in self.numbers]
        return {"format": FORMAT, "step": self.step, "weights": self.weights, "numbers": numbers}


def weights_name(averaged: bool) -> Literal["ema", "trained"]:
    """Return what the weights of a model are called, that are a moving average or not."""
    return "ema" if averaged else "trained"


def write_evaluation(folder: Path, evaluation: Evaluation) -> Path:
    """Write `evaluation.json` into a folder, all or nothing; return its path.

    Raises:
        ResourceError: the folder cannot be written in.
    """
    file = folder / FILE
    try:
        replace_text(file, json.dumps(evaluation.to_json(), indent=2, allow_nan=False) + "\n")
    except OSError as error:
        raise ResourceError(f"{file} cannot be written: {error.strerror or error}") from error
    return file


def read_evaluation(folder: Path) -> Evaluation | None:
    """Read a folder's `evaluation.json`; None where there is none.

    Raises:
        CheckpointError: it is damaged, or was made by a newer version.
    """
    file = folder / FILE
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        written_by = values["format"]
        if written_by in (1, FORMAT):
            numbers: Sequence[Any] = values["numbers"]
            return Evaluation(int(values["step"]), values["weights"], tuple(map(Number.from_json, numbers)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{file} is no evaluation: {error!r}", hint="write it again: cgkit evaluate") from error
    raise CheckpointError(f"{file} has format {written_by}, this version reads {FORMAT}", hint="upgrade cgkit")
