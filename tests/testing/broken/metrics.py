"""Metrics that keep or break their contract."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from cgkit.contracts import Cycle, Objects
from tests.testing.broken.registry import breaks, breaks_only, good


@good("metrics")
class Metric:
    """Mean absolute difference."""

    compares = "truth"
    better: str | None = "lower"

    def __call__(self, translations: Tensor, references: Tensor) -> Tensor:
        return (translations - references).abs().mean((1, 2, 3))


@good("metrics")
class DifferenceFromSource(Metric):
    """Mean absolute difference from the source."""

    compares = "source"
    better = None


@good("metrics")
class CycleDifference:
    """Mean absolute difference between the reconstruction and the source."""

    compares = "cycle"
    better = "lower"

    def __call__(self, cycle: Cycle) -> Tensor:
        return (cycle.back(cycle.translations) - cycle.sources).abs().mean((1, 2, 3))


@good("metrics")
class ObjectDifference:
    """Mean absolute difference from the truth at its objects."""

    compares = "objects"
    better = "lower"

    def __call__(self, translations: Tensor, objects: Objects) -> Tensor:
        return ((translations - objects.references).abs() * (objects.labels > 0)).mean((1, 2, 3))


@good("metrics")
class DomainDifference:
    """Difference of the mean levels of two sets."""

    compares = "domain"
    better = "lower"
    extractor = "mean levels"

    def features(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))

    def __call__(self, translations: Tensor, real: Tensor) -> Tensor:
        return (translations.mean() - real.mean()).abs()


@breaks_only("metrics", "metrics-say-what-they-compare")
class UnknownBetter(Metric):
    """Has an unknown value of `better`."""

    better = "brighter"


@breaks("metrics", "metrics-say-what-they-compare")
class UnknownCompares(Metric):
    """Has an unknown value of `compares`."""

    compares = "everything"


@breaks_only("metrics", "metrics-give-a-number-an-image")
class Column(Metric):
    """Returns a column."""

    def __call__(self, translations: Tensor, references: Tensor) -> Tensor:
        return super().__call__(translations, references)[:, None]


@breaks("metrics", "metrics-give-a-number-an-image")
class InfiniteForEqual(Metric):
    """Is infinite for equal images."""

    def __call__(self, translations: Tensor, references: Tensor) -> Tensor:
        return 1 / super().__call__(translations, references)


@breaks_only("metrics", "metrics-of-sets-give-one-number")
class NumberPerFeature(DomainDifference):
    """Returns one number per feature."""

    def __call__(self, translations: Tensor, real: Tensor) -> Tensor:
        return (translations.mean(0) - real.mean(0)).abs()


@breaks("metrics", "metrics-of-sets-give-one-number")
class FeaturesOfBatch(DomainDifference):
    """Has features that depend on the rest of the batch."""

    def features(self, images: Tensor) -> Tensor:
        return super().features(images - images.mean(0, keepdim=True))


@breaks_only("metrics", "metrics-tell-good-from-bad")
class BatchMean(Metric):
    """Gives each image the mean of its batch."""

    def __call__(self, translations: Tensor, references: Tensor) -> Tensor:
        values = super().__call__(translations, references)
        return values.mean().expand_as(values)


@breaks("metrics", "metrics-tell-good-from-bad")
class AlwaysZero(Metric):
    """Is zero for any images."""

    def __call__(self, translations: Tensor, references: Tensor) -> Tensor:
        return super().__call__(translations, references) * 0


@breaks("metrics", "is-decided-by-torchs-seed")
class OwnRandomness(Metric):
    """Has a random generator of its own."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)

    def __call__(self, translations: Tensor, references: Tensor) -> Tensor:
        return super().__call__(translations, references) * (1 + float(self.random.random()))
