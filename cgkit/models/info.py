"""What describes a model, and the names of the files in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cgkit.spec import Spec

FORMAT = 2
DIRECTIONS = ("a2b", "b2a")
MODEL = "model.safetensors"
"""The file of the weights to translate with; their names begin with `a2b.` and `b2a.`."""
RAW = "raw.safetensors"
"""If those are a moving average, the file of the weights as trained."""

Weights = Literal["ema", "raw"]
"""The moving average of the weights, or the weights as trained."""


@dataclass(frozen=True)
class ModelInfo:
    """Describes a model.

    A spec that was read from a model folder names the generators as trained, and defaults for everything else.

    Attributes:
        spec: the resolved spec.
        step: the step at which it was saved; 0 if it was imported.
        averaged: whether it is a moving average, in which case the weights as trained are there too.
        directions: the directions it translates: `a2b`, `b2a` or both.
        imported: the source of an imported model and remarks on it, in words; None if it was trained here.
        format: the format of its folder.
    """

    spec: Spec
    step: int
    averaged: bool
    directions: tuple[str, ...] = DIRECTIONS
    imported: tuple[str, ...] | None = None
    format: int = FORMAT
