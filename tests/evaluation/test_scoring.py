from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cgkit.components.metrics.l1 import MeanAbsoluteError
from cgkit.contracts import Cycle, ImageRecord
from cgkit.data.preparation import Preparation
from cgkit.errors import PluginError
from cgkit.evaluation.images import MeasuredImages
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.scoring import Measured, Scoring
from cgkit.images.pixels import PixelFormat


class Flat:
    """A domain of uniform images."""

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
    """A set metric: the difference of the mean levels."""

    compares = "domain"
    better = "lower"
    extractor = "mean levels, version 1"

    def __init__(self) -> None:
        self.seen = 0

    def features(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return images.mean((2, 3))

    def __call__(self, generated: Tensor, real: Tensor) -> Tensor:
        return (generated.mean() - real.mean()).abs()


class CycleError:
    compares = "cycle"

    def __call__(self, cycle: Cycle) -> Tensor:
        assert torch.equal(cycle.back(cycle.translations), cycle.cycled)
        return (cycle.cycled - cycle.sources).abs().mean((1, 2, 3))


class SourceDifference:
    compares = "source"

    def __call__(self, translations: Tensor, sources: Tensor) -> Tensor:
        return (translations - sources).mean((1, 2, 3))


TRANSLATE = {"a2b": lambda images: images + 0.4, "b2a": lambda images: images - 0.3}


def pixels(channels_a: int, channels_b: int) -> tuple[PixelFormat, PixelFormat]:
    return PixelFormat(channels_a), PixelFormat(channels_b)


def scores(
    metric: Any, source: Source, channels: tuple[int, int] = (3, 3), count: int = 100, seed: int = 0
) -> dict[str, Number]:
    images = MeasuredImages(source, pixels(*channels), (Preparation((8, 8)),) * 2, count)
    messages: list[str] = []
    numbers = Scoring(images, seed, messages.append).scores(TRANSLATE, [Measured("metric", metric, {"option": 1})])
    assert messages == []
    return {number.direction: number for number in numbers}


def aligned(count: int = 20) -> Source:
    return Source((Flat([0.25] * count), Flat([0.75] * count)), aligned=True)


def test_each_direction_is_compared_with_the_ground_truth_and_has_the_untranslated_baseline() -> None:
    numbers = scores(MeanAbsoluteError(), aligned())
    assert numbers["a2b"].value == pytest.approx(0.1)
    assert numbers["b2a"].value == pytest.approx(0.2)
    assert numbers["a2b"].untranslated == numbers["b2a"].untranslated == pytest.approx(0.5)
    assert numbers["a2b"].real is None
    assert numbers["a2b"].better == "lower"


def test_the_protocol_records_how_a_number_was_measured() -> None:
    protocol = scores(MeanAbsoluteError(), aligned(), count=15, seed=4)["a2b"].protocol
    assert protocol["n"] == 15
    assert protocol["split"] == "test"
    assert protocol["size"] == [8, 8]
    assert "bicubic" in protocol["resize"]
    assert protocol["extractor"] is None
    assert protocol["seed"] == 4
    assert protocol["options"] == {"option": 1}


def test_different_test_images_have_different_protocols() -> None:
    protocols = [scores(MeanAbsoluteError(), source)["a2b"].protocol for source in (aligned(4), aligned(5))]
    assert protocols[0]["images"] != protocols[1]["images"]


def test_metrics_against_the_ground_truth_are_skipped_without_one() -> None:
    source = Source((Flat([0.1] * 5), Flat([0.9] * 3)), aligned=False)
    assert scores(MeanAbsoluteError(), source) == {}


def test_domains_with_different_channels_have_no_untranslated_baseline_and_no_source_metrics() -> None:
    source = Source((Flat([0.1] * 4, channels=1), Flat([0.9] * 4)), aligned=True)
    translate = {"a2b": lambda images: images.expand(-1, 3, -1, -1), "b2a": lambda images: images[:, :1]}
    images = MeasuredImages(source, pixels(1, 3), (Preparation((8, 8)),) * 2, 4)
    metrics = [Measured("l1", MeanAbsoluteError(), {}), Measured("difference", SourceDifference(), {})]
    numbers = Scoring(images, 0, print).scores(translate, metrics)
    assert [(number.name, number.untranslated) for number in numbers] == [("l1", None)] * 2


def test_set_metrics_have_training_images_and_untranslated_sources_as_baselines() -> None:
    train = Flat([0.0] * 9), Flat([0.8] * 9)
    metric = Means()
    source = Source((Flat([0.2] * 10), Flat([0.9] * 6)), train, aligned=False)
    number = scores(metric, source)["a2b"]
    assert number.value == pytest.approx(0.3)
    assert number.real == pytest.approx(0.1)
    assert number.untranslated == pytest.approx(0.7)
    assert number.protocol["extractor"] == Means.extractor
    assert (number.protocol["n"], number.protocol["real"]) == (10, 6)
    # Features of each real image are computed once, plus those of both directions' translations.
    assert metric.seen == (9 + 9 + 10 + 6) + (10 + 6)


def test_there_is_no_real_baseline_if_the_test_images_are_the_training_images() -> None:
    number = scores(Means(), Source((Flat([0.2] * 10), Flat([0.9] * 6)), aligned=False))["a2b"]
    assert number.real is None
    assert number.untranslated == pytest.approx(0.7)


def test_cycle_metrics_receive_sources_and_reconstructions() -> None:
    numbers = scores(CycleError(), aligned())
    assert [number.value for number in numbers.values()] == pytest.approx([0.1, 0.1])
    assert numbers["a2b"].better is None


def test_source_metrics_have_the_ground_truth_as_real_baseline() -> None:
    numbers = scores(SourceDifference(), aligned())
    assert numbers["a2b"].value == pytest.approx(0.4)
    assert numbers["a2b"].real == pytest.approx(0.5)
    assert numbers["a2b"].untranslated is None
    assert scores(SourceDifference(), Source((Flat([0.1] * 4), Flat([0.9] * 4)), aligned=False))["a2b"].real is None


def test_numbers_depend_on_the_seed_and_not_on_other_random_draws() -> None:
    class Noisy(SourceDifference):
        def __call__(self, translations: Tensor, sources: Tensor) -> Tensor:
            return torch.rand(len(sources))

    first = scores(Noisy(), aligned())
    torch.rand(7)
    assert scores(Noisy(), aligned()) == first
    assert scores(Noisy(), aligned(), seed=1)["a2b"].value != first["a2b"].value
    low, high = first["a2b"].interval
    assert low < first["a2b"].value < high


def test_metrics_that_fail_are_reported_once_and_the_others_are_computed() -> None:
    class Missing(Means):
        def features(self, images: Tensor) -> Tensor:
            raise PluginError("the network is not installed", hint="pip install it")

    class Infinite(SourceDifference):
        def __call__(self, translations: Tensor, sources: Tensor) -> Tensor:
            return torch.full((len(sources),), math.inf)

    messages: list[str] = []
    images = MeasuredImages(aligned(), pixels(3, 3), (Preparation((8, 8)),) * 2, 20)
    by_name = {"missing": Missing(), "far": Infinite(), "difference": SourceDifference()}
    metrics = [Measured(name, metric, {}) for name, metric in by_name.items()]
    numbers = Scoring(images, 0, messages.append).scores(TRANSLATE, metrics)
    assert [number.name for number in numbers] == ["difference", "difference"]
    assert messages == [
        "missing is not computed: the network is not installed; pip install it",
        "far is not computed: its value is not finite",
    ]


def test_a_metric_that_violates_its_contract_is_reported() -> None:
    class Single(SourceDifference):
        def __call__(self, translations: Tensor, sources: Tensor) -> Tensor:
            return translations.mean()

    messages: list[str] = []
    images = MeasuredImages(aligned(), pixels(3, 3), (Preparation((8, 8)),) * 2, 20)
    assert Scoring(images, 0, messages.append).scores(TRANSLATE, [Measured("single", Single(), {})]) == ()
    assert messages == ['single is not computed: metric "single" returned shape (), expected shape (8,)']


def test_the_real_baseline_uses_as_many_images_as_there_are_translations() -> None:
    train = Flat([0.0] * 9), Flat([0.8] * 4 + [0.1] * 9)
    number = scores(Means(), Source((Flat([0.2] * 4), Flat([0.9] * 6)), train, aligned=False))["a2b"]
    assert number.real == pytest.approx(0.1)


def test_too_few_images_are_reported_for_biased_metrics_only() -> None:
    class Biased(Means):
        enough = 7

    messages: list[str] = []
    images = MeasuredImages(
        Source((Flat([0.2] * 8), Flat([0.9] * 6)), aligned=False), pixels(3, 3), (Preparation((8, 8)),) * 2, 20
    )
    scoring = Scoring(images, 0, messages.append)
    metrics = [Measured("biased", Biased(), {}), Measured("fair", Means(), {})]
    for _ in range(2):
        assert len(scoring.scores(TRANSLATE, metrics)) == 4
    assert len(messages) == 1
    assert messages[0].startswith("biased from 6 images")
    images = MeasuredImages(
        Source((Flat([0.2] * 8), Flat([0.9] * 7)), aligned=False), pixels(3, 3), (Preparation((8, 8)),) * 2, 20
    )
    Scoring(images, 0, messages.append).scores(TRANSLATE, metrics)
    assert len(messages) == 1
