"""Intervals are as wide as the spread over independent samples."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cgkit.components.metrics.fid import FrechetDistance
from cgkit.components.metrics.kid import KernelDistance
from cgkit.evaluation.resampling import interval_of_images, interval_of_sets


def seeded_generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_about_95_of_100_intervals_contain_the_true_mean() -> None:
    hits = 0
    for seed in range(100):
        low, high = interval_of_images(torch.randn(40, generator=seeded_generator(seed)) + 3, seeded_generator(seed))
        hits += low <= 3 <= high
    assert 88 <= hits <= 99


def test_intervals_depend_only_on_the_seed() -> None:
    values = torch.randn(20, generator=seeded_generator(0))
    assert interval_of_images(values, seeded_generator(1)) == interval_of_images(values, seeded_generator(1))
    assert interval_of_images(values, seeded_generator(1)) != interval_of_images(values, seeded_generator(2))


def test_too_few_images_give_no_interval() -> None:
    assert interval_of_images(torch.ones(1), seeded_generator(0)) is None
    few, many = torch.rand(3, 2), torch.rand(9, 2)
    assert interval_of_sets(KernelDistance(), few, many, seeded_generator(0)) is None
    assert interval_of_sets(KernelDistance(), many, few, seeded_generator(0)) is None


@pytest.mark.parametrize("metric", [KernelDistance(), FrechetDistance()], ids=["kid", "fid"])
def test_set_intervals_are_as_wide_as_the_spread_over_samples(metric) -> None:
    def sample(seed: int) -> tuple[Tensor, Tensor]:
        generator = seeded_generator(seed)
        return torch.randn(40, 6, generator=generator), torch.randn(50, 6, generator=generator) * 1.3 + 0.5

    values = torch.tensor([float(metric(*sample(seed))) for seed in range(200)])
    low, high = values.quantile(torch.tensor([0.025, 0.975])).tolist()
    intervals = [interval_of_sets(metric, *sample(seed), seeded_generator(seed)) for seed in range(1000, 1008)]
    widths = [upper - lower for lower, upper in intervals]
    assert sum(widths) / len(widths) == pytest.approx(high - low, rel=0.3)
    # Intervals contain the value itself, although values of half the images are larger on average.
    for seed, (lower, upper) in zip(range(1000, 1008), intervals, strict=True):
        assert lower < float(metric(*sample(seed))) < upper
