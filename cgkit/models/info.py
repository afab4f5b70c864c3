"""The description of a model, and the names of the weight files in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cgkit.spec import Spec

FORMAT = 2
DIRECTIONS = ("a2b", "b2a")
MODEL = "model.safetensors"
"""The file of the weights to translate with. Tensor names begin with `a2b.` or `b2a.`."""
RAW = "raw.safetensors"
"""The file of the weights as trained, written only if `MODEL` holds their moving average."""

Weights = Literal["ema", "raw"]
"""The moving average of the weights, or the weights as trained."""


@dataclass(frozen=True)
class ModelInfo:
    """The description of a model.

    A spec that was read from a model folder has the original generators, and defaults for all other components.

    Attributes:
        spec: the resolved spec.
        step: the training step at which the model was saved; 0 if it was imported.
        averaged: whether its weights are a moving average; from format 2 on, the weights as trained are then saved too.
        directions: the directions that the model translates: `a2b`, `b2a` or both.
        imported: the origin of an imported model and remarks on it; None if the model was trained with cgkit.
        format: the format version of its folder.
    """

    spec: Spec
    step: int
    averaged: bool
    directions: tuple[str, ...] = DIRECTIONS
    imported: tuple[str, ...] | None = None
    format: int = FORMAT
