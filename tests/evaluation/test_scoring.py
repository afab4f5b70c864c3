from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cgkit.components.metrics.l1 import MeanAbsoluteError
from cgkit.contracts import Cycle, ImageRecord
from cgkit.data.loading import Preparation
from cgkit.errors import PluginError
from cgkit.evaluation.images import MeasuredImages
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.scoring import Measured, Scoring
from cgkit.images.pixels import PixelFormat


class Flat:
    """A domain of flat images."""

    def __init__(self, values: list[float], channels: int = 3) -> None:
        self.values, self.channels = values, channels

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> ImageRecord:
        pixels = np.full((self.channels, 8, 8), self.values[index], dtype=np.float32)
        return ImageRecord(str(index), render=lambda: pixels)

    def fingerprint(self) -> str:
        return str(self.values)


class Source:
    def __init__(self, test: tuple[Flat, Flat], train: tuple[Flat, Flat] | None = None, *, aligned: bool) -> None:
        self.aligned, self._test, self._train = aligned, test, train or test

    def test(self) -> tuple[Flat, Flat]:
        return self._test

    def train(self) -> tuple[Flat, Flat]:
        return self._train


class Means:
    """A metric of sets: the difference of the mean levels."""

    compares = "domain"
    better = "lower"
    extractor = "mean levels, version 1"

    def __init__(self) -> None:
        self.seen = 0

    def features(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return images.mean((2, 3))

    def __call__(self, made: Tensor, real: Tensor) -> Tensor:
        return (made.mean() - real.mean()).abs()


class Cycled:
    compares = "cycle"

    def __call__(self, cycle: Cycle) -> Tensor:
        again = cycle.back(cycle.translations)
        assert torch.equal(again, cycle.cycled)
        return (cycle.cycled - cycle.sources).abs().mean((1, 2, 3))


class Kept:
    compares = "source"

    def __call__(self, translations: Tensor, sources: Tensor) -> Tensor:
        return (translations - sources).mean((1, 2, 3))


TRANSLATE = {"a2b": lambda images: images + 0.4, "b2a": lambda images: images - 0.3}


def pixels(channels_a: int, channels_b: int) -> tuple[PixelFormat, PixelFormat]:
    return PixelFormat(channels_a), PixelFormat(channels_b)


def scores(
    metric: Any, source: Source, channels: tuple[int, int] = (3, 3), count: int = 100, seed: int = 0
) -> dict[str, Number]:
    images = MeasuredImages(source, pixels(*channels), Preparation((8, 8)), count)
    said: list[str] = []
    numbers = Scoring(images, seed, said.append).scores(TRANSLATE, [Measured("tried", metric, {"option": 1})])
    assert said == []
    return {one.direction: one for one in numbers}


def aligned(count: int = 20) -> Source:
    return Source((Flat([0.25] * count), Flat([0.75] * count)), aligned=True)


def test_each_direction_is_compared_with_the_truth_and_with_doing_nothing() -> None:
    found = scores(MeanAbsoluteError(), aligned())
    assert found["a2b"].value == pytest.approx(0.1)
    assert found["b2a"].value == pytest.approx(0.2)
    assert found["a2b"].untranslated == found["b2a"].untranslated == pytest.approx(0.5)
    assert found["a2b"].real is None
    assert found["a2b"].better == "lower"


def test_the_protocol_says_how_it_was_measured() -> None:
    protocol = scores(MeanAbsoluteError(), aligned(), count=15, seed=4)["a2b"].protocol
    assert protocol["n"] == 15
    assert protocol["split"] == "test"
    assert protocol["size"] == [8, 8]
    assert "bicubic" in protocol["resize"]
    assert protocol["extractor"] is None
    assert protocol["seed"] == 4
    assert protocol["options"] == {"option": 1}


def test_other_images_have_another_protocol() -> None:
    protocols = [scores(MeanAbsoluteError(), source)["a2b"].protocol for source in (aligned(4), aligned(5))]
    assert protocols[0]["images"] != protocols[1]["images"]


def test_the_truth_is_not_asked_for_where_there_is_none() -> None:
    source = Source((Flat([0.1] * 5), Flat([0.9] * 3)), aligned=False)
    assert scores(MeanAbsoluteError(), source) == {}


def test_domains_of_different_channels_have_no_ceiling_against_the_truth_and_no_copies() -> None:
    source = Source((Flat([0.1] * 4, channels=1), Flat([0.9] * 4)), aligned=True)
    translate = {"a2b": lambda images: images.expand(-1, 3, -1, -1), "b2a": lambda images: images[:, :1]}
    images = MeasuredImages(source, pixels(1, 3), Preparation((8, 8)), 4)
    metrics = [Measured("l1", MeanAbsoluteError(), {}), Measured("kept", Kept(), {})]
    numbers = Scoring(images, 0, print).scores(translate, metrics)
    assert [(one.name, one.untranslated) for one in numbers] == [("l1", None)] * 2


def test_sets_lie_between_training_images_and_untranslated_ones() -> None:
    train = Flat([0.0] * 9), Flat([0.8] * 9)
    metric = Means()
    source = Source((Flat([0.2] * 10), Flat([0.9] * 6)), train, aligned=False)
    found = scores(metric, source)["a2b"]
    assert found.value == pytest.approx(0.3)
    assert found.real == pytest.approx(0.1)
    assert found.untranslated == pytest.approx(0.7)
    assert found.protocol["extractor"] == Means.extractor
    assert (found.protocol["n"], found.protocol["real"]) == (10, 6)
    # Real images once each, and the translations of both directions.
    assert metric.seen == (9 + 9 + 10 + 6) + (10 + 6)


def test_there_is_no_floor_where_the_test_images_are_the_training_images() -> None:
    found = scores(Means(), Source((Flat([0.2] * 10), Flat([0.9] * 6)), aligned=False))["a2b"]
    assert found.real is None
    assert found.untranslated == pytest.approx(0.7)


def test_a_cycle_is_there_and_back() -> None:
    found = scores(Cycled(), aligned())
    assert [one.value for one in found.values()] == pytest.approx([0.1, 0.1])
    assert found["a2b"].better is None


def test_what_is_kept_of_a_source_is_compared_with_what_the_truth_keeps() -> None:
    found = scores(Kept(), aligned())
    assert found["a2b"].value == pytest.approx(0.4)
    assert found["a2b"].real == pytest.approx(0.5)
    assert found["a2b"].untranslated is None
    assert scores(Kept(), Source((Flat([0.1] * 4), Flat([0.9] * 4)), aligned=False))["a2b"].real is None


def test_the_same_seed_gives_the_same_numbers_whatever_else_draws() -> None:
    class Noisy(Kept):
        def __call__(self, translations: Tensor, sources: Tensor) -> Tensor:
            return torch.rand(len(sources))

    first = scores(Noisy(), aligned())
    torch.rand(7)
    assert scores(Noisy(), aligned()) == first
    assert scores(Noisy(), aligned(), seed=1)["a2b"].value != first["a2b"].value
    low, high = first["a2b"].interval
    assert low < first["a2b"].value < high


def test_what_cannot_be_computed_is_told_once_and_the_rest_goes_on() -> None:
    class Missing(Means):
        def features(self, images: Tensor) -> Tensor:
            raise PluginError("the network is not installed", hint="pip install it")

    class Infinite(Kept):
        def __call__(self, translations: Tensor, sources: Tensor) -> Tensor:
            return torch.full((len(sources),), math.inf)

    said: list[str] = []
    images = MeasuredImages(aligned(), pixels(3, 3), Preparation((8, 8)), 20)
    tried = [Measured("missing", Missing(), {}), Measured("far", Infinite(), {}), Measured("kept", Kept(), {})]
    numbers = Scoring(images, 0, said.append).scores(TRANSLATE, tried)
    assert [one.name for one in numbers] == ["kept", "kept"]
    assert said == [
        "missing is not computed: the network is not installed; pip install it",
        "far is not computed: it is not finite",
    ]


def test_a_metric_that_does_not_keep_its_contract_is_told() -> None:
    class Single(Kept):
        def __call__(self, translations: Tensor, sources: Tensor) -> Tensor:
            return translations.mean()

    said: list[str] = []
    images = MeasuredImages(aligned(), pixels(3, 3), Preparation((8, 8)), 20)
    assert Scoring(images, 0, said.append).scores(TRANSLATE, [Measured("single", Single(), {})]) == ()
    assert said == ['single is not computed: metric "single" gives shape () for 8 images']


def test_the_floor_is_that_of_as_many_images_as_are_translated() -> None:
    train = Flat([0.0] * 9), Flat([0.8] * 4 + [0.1] * 9)
    found = scores(Means(), Source((Flat([0.2] * 4), Flat([0.9] * 6)), train, aligned=False))["a2b"]
    assert found.real == pytest.approx(0.1)


def test_that_there_are_few_images_is_told_where_it_matters() -> None:
    class Biased(Means):
        enough = 7

    said: list[str] = []
    images = MeasuredImages(
        Source((Flat([0.2] * 8), Flat([0.9] * 6)), aligned=False), pixels(3, 3), Preparation((8, 8)), 20
    )
    scoring = Scoring(images, 0, said.append)
    tried = [Measured("biased", Biased(), {}), Measured("fair", Means(), {})]
    for _ in range(2):
        assert len(scoring.scores(TRANSLATE, tried)) == 4
    assert len(said) == 1
    assert said[0].startswith("biased of 6 images")
    images = MeasuredImages(
        Source((Flat([0.2] * 8), Flat([0.9] * 7)), aligned=False), pixels(3, 3), Preparation((8, 8)), 20
    )
    Scoring(images, 0, said.append).scores(TRANSLATE, tried)
    assert len(said) == 1
