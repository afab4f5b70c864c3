"""Every built-in metric gives known translations their expected scores, on realistic pictures."""

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
from cgkit.data.preparation import Preparation
from cgkit.evaluation.gathering import Translate
from cgkit.evaluation.images import MeasuredImages
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.scoring import Measured, Scoring
from cgkit.images.pixels import PixelFormat

SIZE = (32, 32)
COUNT = 6
IMAGE_METRICS = {"psnr": Psnr(), "ssim": Ssim(), "l1": MeanAbsoluteError(), "perceptual": PerceptualDistance()}
SET_METRICS = {"kid": KernelDistance(), "fid": FrechetDistance()}
METRICS = {**IMAGE_METRICS, **SET_METRICS, "source-similarity": SourceSimilarity()}

Table = dict[tuple[str, str], Number]


@pytest.fixture(scope="module")
def scoring() -> Scoring:
    torch.set_num_threads(1)
    source = Seasons(SIZE, train=COUNT, test=COUNT)
    images = MeasuredImages(source, (PixelFormat(3), PixelFormat(3)), (Preparation(SIZE),) * 2, COUNT)
    return Scoring(images, 0, lambda message: None)


def measured(scoring: Scoring, a2b: Translate, b2a: Translate, names: Iterable[str] = METRICS) -> Table:
    metrics = [Measured(name, METRICS[name], {}) for name in names]
    return {(number.name, number.direction): number for number in scoring.scores({"a2b": a2b, "b2a": b2a}, metrics)}


def identity(images: Tensor) -> Tensor:
    return images


@pytest.fixture(scope="module")
def untranslated(scoring: Scoring) -> Table:
    return measured(scoring, identity, identity)


@pytest.fixture(scope="module")
def ground_truth(scoring: Scoring) -> Table:
    """The scores of translations that equal the ground truth."""
    test_a, test_b = (scoring._images.of("test", side)[:COUNT] for side in "ab")
    return measured(scoring, lambda images: test_b[: len(images)], lambda images: test_a[: len(images)])


def test_untranslated_images_score_the_untranslated_baseline(untranslated: Table) -> None:
    for (name, _), number in untranslated.items():
        if name in (*IMAGE_METRICS, *SET_METRICS):
            assert number.value == pytest.approx(number.untranslated, abs=1e-6)


def test_copies_have_source_similarity_one_and_ground_truth_less(untranslated: Table, ground_truth: Table) -> None:
    for direction in ("a2b", "b2a"):
        assert untranslated["source-similarity", direction].value == pytest.approx(1)
        number = ground_truth["source-similarity", direction]
        assert number.value == pytest.approx(number.real, abs=1e-6)
        assert number.value < 0.9


def test_the_ground_truth_scores_better_than_both_baselines(ground_truth: Table) -> None:
    for (name, _), number in ground_truth.items():
        if name in SET_METRICS:
            assert number.value < number.real < number.untranslated
        elif name in IMAGE_METRICS:
            better = (
                number.value > number.untranslated if number.better == "higher" else number.value < number.untranslated
            )
            assert better
    assert ground_truth["psnr", "a2b"].value == 100
    assert ground_truth["ssim", "b2a"].value == pytest.approx(1)


def test_blends_score_between_sources_and_targets(scoring: Scoring, ground_truth: Table, untranslated: Table) -> None:
    test_a, test_b = (scoring._images.of("test", side)[:COUNT] for side in "ab")
    blends = (lambda images: (images + test_b) / 2, lambda images: (images + test_a) / 2)
    for key, number in measured(scoring, *blends, names=IMAGE_METRICS).items():
        ends = sorted((ground_truth[key].value, untranslated[key].value))
        assert ends[0] < number.value < ends[1]
