"""Read and write `evaluation.json`, the scores of a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cgkit.errors import CheckpointError, ResourceError
from cgkit.evaluation.numbers import Number
from cgkit.files.atomic import replace_text
from cgkit.files.reading import read_object, reason

FILE = "evaluation.json"
FORMAT = 2


@dataclass(frozen=True)
class Evaluation:
    """The scores of one model.

    Attributes:
        step: the training step of the model.
        weights: `ema` for the moving average, otherwise `trained`.
        numbers: the scores in both directions, ordered by metric.
    """

    step: int
    weights: Literal["ema", "trained"]
    numbers: tuple[Number, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the content of the file."""
        numbers = [number.to_json() for number in self.numbers]
        return {"format": FORMAT, "step": self.step, "weights": self.weights, "numbers": numbers}


def weights_name(averaged: bool) -> Literal["ema", "trained"]:
    """Return the name that `evaluation.json` uses for a kind of weights."""
    return "ema" if averaged else "trained"


def write_evaluation(folder: Path, evaluation: Evaluation) -> Path:
    """Write `evaluation.json` to a folder atomically; return its path. The folder is created if necessary.

    Raises:
        ResourceError: the file cannot be written.
    """
    file = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(file, json.dumps(evaluation.to_json(), indent=2, allow_nan=False) + "\n")
    except OSError as error:
        raise ResourceError(f"{file} cannot be written: {error.strerror or error}") from error
    return file


def read_evaluation(folder: Path) -> Evaluation | None:
    """Read a folder's `evaluation.json`; return None if it does not exist.

    Raises:
        CheckpointError: the file is damaged, or a newer version of cgkit wrote it.
    """
    file = folder / FILE
    try:
        values = read_object(file)
        written_by = values["format"]
        if written_by in (1, FORMAT):
            numbers: Sequence[Any] = values["numbers"]
            return Evaluation(_parse_step(values["step"]), values["weights"], tuple(map(Number.from_json, numbers)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "remove it, and recreate it with cgkit evaluate"
        raise CheckpointError(f"{file} is damaged: {reason(error)}", hint=hint) from error
    problem = f"{file} has format {written_by}; this version of cgkit reads formats up to {FORMAT}"
    raise CheckpointError(problem, hint="upgrade cgkit")


def _parse_step(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"its step is {value!r}")
    return value
