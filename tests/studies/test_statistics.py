"""Intervals and tests over several seeds."""

from __future__ import annotations

import math
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cgkit.studies.statistics import adjust, interval_over, paired_p

SCORES = st.lists(st.floats(-100, 100), min_size=2, max_size=6, unique=True)


def test_a_single_seed_has_the_interval_over_images() -> None:
    assert interval_over([2.0], [(1.5, 2.5)]) == (1.5, 2.5)
    assert interval_over([2.0], [None]) is None


def test_seeds_alone_have_students_interval() -> None:
    # Standard deviation 1 and 2 degrees of freedom: 4.303 / sqrt(3).
    low, high = interval_over([1.0, 2.0, 3.0], [None] * 3) or (0, 0)
    assert (low, high) == pytest.approx((2 - 4.30265 / math.sqrt(3), 2 + 4.30265 / math.sqrt(3)), rel=1e-5)


@given(SCORES, st.floats(0.01, 10))
def test_variances_of_seeds_and_images_are_added(values: list[float], half: float) -> None:
    alone = interval_over(values, [None] * len(values))
    both = interval_over(values, [(value - half, value + half) for value in values])
    assert alone is not None
    assert both is not None
    assert (both[1] - both[0]) / 2 == pytest.approx(math.hypot((alone[1] - alone[0]) / 2, half))
    assert fmean(both) == pytest.approx(fmean(values))


def test_pairs_are_compared_over_shared_seeds() -> None:
    from scipy.stats import ttest_rel

    one, other = {0: 1.0, 1: 2.5, 2: 3.0, 7: 9.0}, {0: 0.5, 1: 1.5, 2: 2.9, 8: 100.0}
    assert paired_p(one, other) == pytest.approx(ttest_rel([1.0, 2.5, 3.0], [0.5, 1.5, 2.9]).pvalue)
    assert paired_p({0: 1.0}, {0: 2.0}) is None


def test_p_values_are_adjusted_as_holm_did() -> None:
    assert adjust([0.01, 0.04, None, 0.03]) == pytest.approx([0.03, 0.06, None, 0.06])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_adjusted_p_values_keep_their_order_and_are_never_smaller(values: list[float]) -> None:
    adjusted = [value for value in adjust(values) if value is not None]
    assert all(new >= old for new, old in zip(adjusted, values, strict=True))
    assert [new for _, new in sorted(zip(values, adjusted, strict=True))] == sorted(adjusted)
