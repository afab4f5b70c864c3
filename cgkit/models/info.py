"""What a model is: its spec, its directions, and how its folder is laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cgkit.spec import Spec

FORMAT = 2
DIRECTIONS = ("a2b", "b2a")
MODEL = "model.safetensors"
"""The weights to translate with, under `a2b.` and `b2a.`."""
RAW = "raw.safetensors"
"""Beside a moving average, the weights as they were trained, under the same names."""

Weights = Literal["ema", "raw"]
"""The moving average, or the weights as they were trained."""


@dataclass(frozen=True)
class ModelInfo:
    """What a model is.

    Read back, the spec names the components that made the translations, and the default ones where others trained.

    Attributes:
        spec: the resolved spec.
        step: the step that it was saved at; 0 where it was imported.
        averaged: whether it is a moving average, beside which the weights as trained are kept.
        directions: what it translates: `a2b`, `b2a` or both.
        imported: where it was imported from and what was found there, in words; None where it was trained here.
        format: the format of its folder.
    """

    spec: Spec
    step: int
    averaged: bool
    directions: tuple[str, ...] = DIRECTIONS
    imported: tuple[str, ...] | None = None
    format: int = FORMAT
