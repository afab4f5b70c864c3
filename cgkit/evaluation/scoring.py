"""Scoring translations against the truth, on aligned test images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cgkit.contracts import Metric

Translate = Callable[[Tensor], Tensor]
"""From images `(N, C, H, W)` in [0, 1] to their translations."""


@dataclass(frozen=True)
class Score:
    """One number about one direction.

    Attributes:
        metric: what was measured.
        direction: `a2b` or `b2a`.
        value: the mean over the test images.
        untranslated: the same for the source itself, where both domains have as many channels: what doing nothing
            scores.
        images: how many test images there were.
    """

    metric: str
    direction: str
    value: float
    untranslated: float | None
    images: int


@torch.inference_mode()
def score(
    tests: tuple[Tensor, Tensor], translate: Mapping[str, Translate], metrics: Mapping[str, Metric], *, batch: int = 8
) -> list[Score]:
    """Score both directions on aligned test images, `(N, C, H, W)` in [0, 1] each."""
    images_a, images_b = tests
    scores = []
    for direction, sources, references in (("a2b", images_a, images_b), ("b2a", images_b, images_a)):
        translations = torch.cat([translate[direction](part) for part in torch.split(sources, batch)])
        for name, metric in metrics.items():
            comparable = sources.shape == references.shape
            untranslated = float(metric(sources, references).mean()) if comparable else None
            value = float(metric(translations, references).mean())
            scores.append(Score(name, direction, value, untranslated, len(sources)))
    return scores
