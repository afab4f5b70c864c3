"""Accumulate a metric over batches of test images into one score per direction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from cgkit.abilities import better_of, combiner_of
from cgkit.contracts import Cycle, Metric, Objects
from cgkit.data.randomness import derive_seed, generator, seeded
from cgkit.errors import PluginError
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.resampling import interval_of_images, interval_of_sets

Translate = Callable[[Tensor], Tensor]
"""A function that translates images `(N, C, H, W)` in [0, 1]."""


@dataclass(frozen=True)
class TranslatedBatch:
    """A batch of test images with their translations.

    Attributes:
        start: index of the first image among all test images.
        sources: the source images.
        translations: their translations.
        references: the ground truth; None if unknown.
        objects: the objects that the ground truth shows; None if unknown.
        translate_back: the function that translates in the opposite direction; None if the model has no such direction.
    """

    start: int
    sources: Tensor
    translations: Tensor
    references: Tensor | None
    objects: Objects | None
    translate_back: Translate | None

    @cached_property
    def cycle(self) -> Cycle:
        """The batch with its reconstructions."""
        assert self.translate_back is not None, "metrics of cycles apply only if both directions are scored"
        return Cycle(self.sources, self.translations, self.translate_back(self.translations), self.translate_back)


class Accumulator(Protocol):
    """Accumulates one metric over the batches of one direction."""

    def add(self, batch: TranslatedBatch) -> None:
        """Add a batch."""

    def compute(self) -> Number:
        """Return the score over all batches."""


@dataclass
class ImageAccumulator:
    """Accumulates a metric that gives one number per image; the score is their mean, unless the metric combines rows.

    If the ground truth is known, there is a baseline. For metrics that compare translations with their sources, it is
    the score of the ground truth; for metrics that compare translations with the ground truth, that of the sources.
    Metrics of objects have both baselines.
    """

    name: str
    metric: Metric
    compares: str
    direction: str
    seed: int
    protocol: Mapping[str, Any]

    def __post_init__(self) -> None:
        self._values: list[Tensor] = []
        self._real: list[Tensor] = []
        self._untranslated: list[Tensor] = []
        self._combine = combiner_of(self.metric)

    def add(self, batch: TranslatedBatch) -> None:
        """Add a batch.

        Raises:
            PluginError: the metric does not return one number per image.
        """
        if self.compares == "cycle":
            self._values.append(self._measure(batch, batch.cycle))
            return
        others = {"truth": batch.references, "source": batch.sources, "objects": batch.objects}
        other = others[self.compares]
        self._values.append(self._measure(batch, batch.translations, other))
        if batch.references is not None and batch.references.shape == batch.sources.shape:
            if self.compares != "truth":
                self._real.append(self._measure(batch, batch.references, other))
            if self.compares != "source":
                self._untranslated.append(self._measure(batch, batch.sources, other))

    def compute(self) -> Number:
        """Return the score of all images, with its interval and baseline."""
        values = torch.cat(self._values)
        random = generator(self.seed, f"interval-{self.name}-{self.direction}")
        real, untranslated = (
            float(self._summarise(torch.cat(baseline))) if baseline else None
            for baseline in (self._real, self._untranslated)
        )
        value = float(self._summarise(values))
        interval = interval_of_images(values, random, self._summarise)
        better = better_of(self.metric)
        return Number(self.name, self.direction, value, interval, real, untranslated, better, self.protocol)

    def _measure(self, batch: TranslatedBatch, *images: Any) -> Tensor:
        with seeded(derive_seed(self.seed, f"metric-{self.name}-{self.direction}", batch.start)):
            values = self.metric(*images)
        count, dimensions = len(batch.sources), 1 if self._combine is None else 2
        if not isinstance(values, Tensor) or values.ndim != dimensions or len(values) != count:
            expected = f"({count},)" if self._combine is None else f"({count}, D)"
            raise PluginError(f'metric "{self.name}" returned {_describe(values)}, expected shape {expected}')
        return _check_finite(values.detach().double().cpu())

    def _summarise(self, values: Tensor) -> Tensor:
        if self._combine is None:
            return values.mean()
        score = self._combine(values)
        if not isinstance(score, Tensor) or score.ndim:
            raise PluginError(f'metric "{self.name}" combined rows into {_describe(score)}, expected a scalar')
        return _check_finite(score)


@dataclass
class SetAccumulator:
    """Accumulates a metric that compares the set of all translations with real images of the target domain.

    Both sets are compared by their features. One baseline is the score of equally many real training images, unless
    these are also the test images; the other is the score of the untranslated sources.
    """

    name: str
    metric: Any
    direction: str
    seed: int
    protocol: Mapping[str, Any]
    features_of_real: Callable[[Any, str, str], Tensor | None]

    def __post_init__(self) -> None:
        self._features: list[Tensor] = []

    def add(self, batch: TranslatedBatch) -> None:
        """Add a batch."""
        self._features.append(self.metric.features(batch.translations))

    def compute(self) -> Number:
        """Return the score of the whole set, with its interval and baselines.

        Raises:
            ValueError: there are fewer than two test images of either domain.
        """
        source, target = self.direction[0], self.direction[-1]
        generated, real = torch.cat(self._features), self.features_of_real(self.metric, "test", target)
        if real is None or min(len(generated), len(real)) < 2:
            raise ValueError("it needs at least two test images of each domain")
        random = generator(self.seed, f"interval-{self.name}-{self.direction}")
        return Number(
            self.name,
            self.direction,
            self._measure(generated, real),
            interval_of_sets(self.metric, generated, real, random),
            self._measure_baseline("train", target, real, len(generated)),
            self._measure_baseline("test", source, real, len(generated)),
            better_of(self.metric),
            self.protocol,
        )

    def _measure_baseline(self, split: str, side: str, real: Tensor, count: int) -> float | None:
        features = self.features_of_real(self.metric, split, side)
        # A biased distance such as FID falls with the number of images, so baseline and score use equally many.
        return self._measure(features[:count], real) if features is not None and len(features) > 1 else None

    def _measure(self, generated: Tensor, real: Tensor) -> float:
        value = self.metric(generated, real)
        if not isinstance(value, Tensor) or value.ndim:
            raise PluginError(f'metric "{self.name}" returned {_describe(value)} for two sets, expected a scalar')
        return float(_check_finite(value))


def _check_finite(values: Tensor) -> Tensor:
    if not bool(torch.isfinite(values).all()):
        raise ValueError("its value is not finite")
    return values


def _describe(value: Any) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
