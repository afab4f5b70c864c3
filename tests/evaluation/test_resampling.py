"""Intervals are as wide as numbers of other samples lie apart."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cgkit.components.metrics.fid import FrechetDistance
from cgkit.components.metrics.kid import KernelDistance
from cgkit.evaluation.resampling import interval_of_mean, interval_of_sets


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_mean_of_most_samples_has_the_truth_in_its_interval() -> None:
    held = 0
    for seed in range(100):
        low, high = interval_of_mean(torch.randn(40, generator=drawn(seed)) + 3, drawn(seed))
        held += low <= 3 <= high
    assert 88 <= held <= 99


def test_the_seed_decides_an_interval() -> None:
    values = torch.randn(20, generator=drawn(0))
    assert interval_of_mean(values, drawn(1)) == interval_of_mean(values, drawn(1))
    assert interval_of_mean(values, drawn(1)) != interval_of_mean(values, drawn(2))


def test_too_few_images_have_no_interval() -> None:
    assert interval_of_mean(torch.ones(1), drawn(0)) is None
    few, many = torch.rand(3, 2), torch.rand(9, 2)
    assert interval_of_sets(KernelDistance(), few, many, drawn(0)) is None
    assert interval_of_sets(KernelDistance(), many, few, drawn(0)) is None


@pytest.mark.parametrize("metric", [KernelDistance(), FrechetDistance()], ids=["kid", "fid"])
def test_intervals_of_sets_are_as_wide_as_other_samples_lie_apart(metric) -> None:
    def sample(seed: int) -> tuple[Tensor, Tensor]:
        draws = drawn(seed)
        return torch.randn(40, 6, generator=draws), torch.randn(50, 6, generator=draws) * 1.3 + 0.5

    values = torch.tensor([float(metric(*sample(seed))) for seed in range(200)])
    low, high = values.quantile(torch.tensor([0.025, 0.975])).tolist()
    intervals = [interval_of_sets(metric, *sample(seed), drawn(seed)) for seed in range(1000, 1008)]
    widths = [upper - lower for lower, upper in intervals]
    assert sum(widths) / len(widths) == pytest.approx(high - low, rel=0.3)
    # They lie around the number itself, though that of half the images is larger on average.
    for seed, (lower, upper) in zip(range(1000, 1008), intervals, strict=True):
        assert lower < float(metric(*sample(seed))) < upper
