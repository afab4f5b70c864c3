"""Every metric that comes with the toolkit puts known translations where they belong, on real pictures."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

from cgkit.components.metrics.fid import FrechetDistance
from cgkit.components.metrics.kid import KernelDistance
from cgkit.components.metrics.l1 import MeanAbsoluteError
from cgkit.components.metrics.perceptual import PerceptualDistance
from cgkit.components.metrics.psnr import Psnr
from cgkit.components.metrics.source_similarity import SourceSimilarity
from cgkit.components.metrics.ssim import Ssim
from cgkit.components.sources.seasons import Seasons
from cgkit.data.loading import Preparation
from cgkit.evaluation.gathering import Translate
from cgkit.evaluation.images import MeasuredImages
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.scoring import Measured, Scoring
from cgkit.images.pixels import PixelFormat

SIZE = (32, 32)
COUNT = 6
OF_IMAGES = {"psnr": Psnr(), "ssim": Ssim(), "l1": MeanAbsoluteError(), "perceptual": PerceptualDistance()}
OF_SETS = {"kid": KernelDistance(), "fid": FrechetDistance()}
ALL = {**OF_IMAGES, **OF_SETS, "source-similarity": SourceSimilarity()}

Table = dict[tuple[str, str], Number]


@pytest.fixture(scope="module")
def scoring() -> Scoring:
    torch.set_num_threads(1)
    source = Seasons(SIZE, train=COUNT, test=COUNT)
    images = MeasuredImages(source, (PixelFormat(3), PixelFormat(3)), Preparation(SIZE), COUNT)
    return Scoring(images, 0, lambda message: None)


def measured(scoring: Scoring, a2b: Translate, b2a: Translate, names: Iterable[str] = ALL) -> Table:
    metrics = [Measured(name, ALL[name], {}) for name in names]
    return {(one.name, one.direction): one for one in scoring.scores({"a2b": a2b, "b2a": b2a}, metrics)}


def identity(images: Tensor) -> Tensor:
    return images


@pytest.fixture(scope="module")
def untranslated(scoring: Scoring) -> Table:
    return measured(scoring, identity, identity)


@pytest.fixture(scope="module")
def truth(scoring: Scoring) -> Table:
    """What a translation that knows the truth would score."""
    test_a, test_b = (scoring._images.of("test", side)[:COUNT] for side in "ab")
    return measured(scoring, lambda images: test_b[: len(images)], lambda images: test_a[: len(images)])


def test_doing_nothing_scores_the_ceiling(untranslated: Table) -> None:
    for (name, _), number in untranslated.items():
        if name in (*OF_IMAGES, *OF_SETS):
            assert number.value == pytest.approx(number.untranslated, abs=1e-6)


def test_a_copy_is_wholly_similar_and_the_truth_is_not(untranslated: Table, truth: Table) -> None:
    for way in ("a2b", "b2a"):
        assert untranslated["source-similarity", way].value == pytest.approx(1)
        known = truth["source-similarity", way]
        assert known.value == pytest.approx(known.untranslated, abs=1e-6)
        assert known.value < 0.9


def test_the_truth_scores_better_than_the_floor_and_doing_nothing(truth: Table) -> None:
    for (name, _), number in truth.items():
        if name in OF_SETS:
            assert number.value < number.real < number.untranslated
        elif name in OF_IMAGES:
            better = (
                number.value > number.untranslated if number.better == "higher" else number.value < number.untranslated
            )
            assert better
    assert truth["psnr", "a2b"].value == 100
    assert truth["ssim", "b2a"].value == pytest.approx(1)


def test_half_the_way_to_the_truth_lies_between(scoring: Scoring, truth: Table, untranslated: Table) -> None:
    test_a, test_b = (scoring._images.of("test", side)[:COUNT] for side in "ab")
    ways = (lambda images: (images + test_b) / 2, lambda images: (images + test_a) / 2)
    for key, number in measured(scoring, *ways, names=OF_IMAGES).items():
        ends = sorted((truth[key].value, untranslated[key].value))
        assert ends[0] < number.value < ends[1]
