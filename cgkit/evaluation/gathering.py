"""What a metric is shown batch by batch, and the number that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from cgkit.contracts import Cycle, Metric
from cgkit.data.randomness import derive_seed, generator, seeded
from cgkit.errors import PluginError
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.resampling import interval_of_mean, interval_of_sets

Translate = Callable[[Tensor], Tensor]
"""From images `(N, C, H, W)` in [0, 1] to their translations."""


@dataclass(frozen=True)
class Shown:
    """A batch of test images and what becomes of it.

    Attributes:
        start: the place of the first one among all test images.
        sources: the images.
        translations: their translations.
        references: the truth, where it is known.
        back: the translation of the other direction.
    """

    start: int
    sources: Tensor
    translations: Tensor
    references: Tensor | None
    back: Translate

    @cached_property
    def cycle(self) -> Cycle:
        """The way there and back."""
        return Cycle(self.sources, self.translations, self.back(self.translations), self.back)


class Gathering(Protocol):
    """What a metric makes of one direction."""

    def take(self, shown: Shown) -> None:
        """Take in a batch."""

    def number(self) -> Number:
        """Return the number of all batches."""


@dataclass
class ImageNumbers:
    """A metric that gives each image a number; the value is their mean.

    Its baseline is what the untranslated sources score; if translations are compared with their sources, it is what
    the ground truth scores.
    """

    name: str
    metric: Metric
    compares: str
    direction: str
    seed: int
    protocol: Mapping[str, Any]

    def __post_init__(self) -> None:
        self._values: list[Tensor] = []
        self._baseline: list[Tensor] = []

    def take(self, shown: Shown) -> None:
        """Take in a batch.

        Raises:
            PluginError: the metric does not give a number an image.
        """
        if self.compares == "cycle":
            self._values.append(self._of(shown, shown.cycle))
            return
        other = shown.references if self.compares == "truth" else shown.sources
        self._values.append(self._of(shown, shown.translations, other))
        if shown.references is not None and shown.references.shape == shown.sources.shape:
            pair = (shown.sources, shown.references)
            self._baseline.append(self._of(shown, *(pair if self.compares == "truth" else pair[::-1])))

    def number(self) -> Number:
        """Return the mean with its interval."""
        values = torch.cat(self._values)
        random = generator(self.seed, f"interval-{self.name}-{self.direction}")
        baseline = float(torch.cat(self._baseline).mean()) if self._baseline else None
        real, untranslated = (baseline, None) if self.compares == "source" else (None, baseline)
        interval = interval_of_mean(values, random)
        better = getattr(self.metric, "better", None)
        value = float(values.mean())
        return Number(self.name, self.direction, value, interval, real, untranslated, better, self.protocol)

    def _of(self, shown: Shown, *images: Any) -> Tensor:
        with seeded(derive_seed(self.seed, f"metric-{self.name}-{self.direction}", shown.start)):
            made = self.metric(*images)
        if not isinstance(made, Tensor) or made.shape != shown.sources.shape[:1]:
            raise PluginError(f'metric "{self.name}" gives {_described(made)} for {len(shown.sources)} images')
        return _finite(made.detach().double().cpu())


@dataclass
class SetNumber:
    """A metric that compares translations, as a set, with the target domain's real images, by features of both.

    Its baselines are what as many real images of the training split score, unless those are the test images, and
    what the untranslated sources score.
    """

    name: str
    metric: Any
    direction: str
    seed: int
    protocol: Mapping[str, Any]
    features_of_real: Callable[[Any, str, str], Tensor | None]

    def __post_init__(self) -> None:
        self._made: list[Tensor] = []

    def take(self, shown: Shown) -> None:
        """Take in a batch."""
        self._made.append(self.metric.features(shown.translations))

    def number(self) -> Number:
        """Return the number of the whole set with its interval and bounds."""
        source, target = self.direction[0], self.direction[-1]
        made, real = torch.cat(self._made), self.features_of_real(self.metric, "test", target)
        if real is None or min(len(made), len(real)) < 2:
            raise ValueError("a set needs two images at least")
        random = generator(self.seed, f"interval-{self.name}-{self.direction}")
        return Number(
            self.name,
            self.direction,
            self._of(made, real),
            interval_of_sets(self.metric, made, real, random),
            self._bound("train", target, real, len(made)),
            self._bound("test", source, real, len(made)),
            getattr(self.metric, "better", None),
            self.protocol,
        )

    def _bound(self, split: str, side: str, real: Tensor, count: int) -> float | None:
        others = self.features_of_real(self.metric, split, side)
        # Of more images than are translated, a distance with a bias such as FID would be out of reach.
        return self._of(others[:count], real) if others is not None and len(others) > 1 else None

    def _of(self, made: Tensor, real: Tensor) -> float:
        number = self.metric(made, real)
        if not isinstance(number, Tensor) or number.ndim:
            raise PluginError(f'metric "{self.name}" gives {_described(number)} for two sets, where a scalar is due')
        return float(_finite(number))


def _finite(numbers: Tensor) -> Tensor:
    if not bool(torch.isfinite(numbers).all()):
        raise ValueError("it is not finite")
    return numbers


def _described(made: Any) -> str:
    return f"shape {tuple(made.shape)}" if isinstance(made, Tensor) else f"a {type(made).__name__}"
