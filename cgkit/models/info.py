"""The description of a model, and the names of the weight files in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cgkit.checkpoints.durable import Content
from cgkit.spec import Spec

FORMAT = 2
DIRECTIONS = ("a2b", "b2a")
MODEL = "model.safetensors"
"""The file of the weights to translate with. Tensor names begin with `a2b.` or `b2a.`."""
RAW = "raw.safetensors"
"""The file of the weights as trained, written only if `MODEL` holds the moving average."""

Weights = Literal["ema", "raw"]
"""The moving average of the weights, or the weights as trained."""


@dataclass(frozen=True)
class ModelInfo:
    """The description of a model.

    A spec that was read from a model folder keeps the generators, but has defaults for all other components.

    Attributes:
        spec: the resolved spec.
        step: the training step at which the model was saved; 0 if it was imported.
        averaged: whether the weights are a moving average; if so, from format 2 on, the trained weights are saved too.
        directions: the directions that the model translates: `a2b`, `b2a` or both.
        imported: the origin of an imported model and remarks on it; None if the model was trained with cgkit.
        started: a text on each source of the weights that training started from: its first line names the source, the
            others say what each network took. Empty if the first weights were random.
        format: the format version of the model folder.
        files: the size and SHA-256 of each weight file in the model folder, by name; empty if it does not record them.
    """

    spec: Spec
    step: int
    averaged: bool
    directions: tuple[str, ...] = DIRECTIONS
    imported: tuple[str, ...] | None = None
    started: tuple[str, ...] = ()
    format: int = FORMAT
    files: Mapping[str, Content] = field(default_factory=dict)
