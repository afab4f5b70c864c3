"""Learning-rate schedules: published values and general properties."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cgkit.components.schedules.constant import Constant
from cgkit.components.schedules.constant_then_linear import ConstantThenLinear
from cgkit.components.schedules.cosine import Cosine
from cgkit.components.schedules.warm_up import WarmUp


@pytest.mark.parametrize(
    ("epoch", "rate"), [(1, 2e-4), (100, 2e-4), (101, 1.98e-4), (102, 1.96e-4), (150, 1.01e-4), (200, 1.98e-6)]
)
@pytest.mark.parametrize("epoch_steps", [1, 7, 1334])
def test_the_rate_by_epoch_is_the_published_one(epoch, rate, epoch_steps):
    schedule = ConstantThenLinear(by="epoch")
    first, last = (epoch - 1) * epoch_steps, epoch * epoch_steps - 1
    for step in (first, last):
        assert f"{2e-4 * schedule(step, 200 * epoch_steps, epoch_steps):.2e}" == f"{rate:.2e}"


def test_the_rate_by_step_falls_with_every_step():
    factors = [ConstantThenLinear()(step, 8, 4) for step in range(8)]
    assert factors == pytest.approx([1, 1, 1, 1, 4 / 5, 3 / 5, 2 / 5, 1 / 5])


def test_constant_is_the_share_at_the_full_rate():
    factors = [ConstantThenLinear(constant=0.75)(step, 4, 1) for step in range(4)]
    assert factors == pytest.approx([1, 1, 1, 1 / 2])
    assert [ConstantThenLinear(constant=1.0)(step, 4, 1) for step in range(4)] == [1, 1, 1, 1]
    assert [ConstantThenLinear(constant=0.0)(step, 3, 1) for step in range(3)] == pytest.approx([3 / 4, 2 / 4, 1 / 4])


def test_an_incomplete_last_epoch_counts_as_a_whole_one():
    schedule = ConstantThenLinear(by="epoch")
    assert [schedule(step, 10, 3) for step in range(10)] == pytest.approx([1] * 6 + [2 / 3] * 3 + [1 / 3])


def test_cosine_falls_from_the_full_rate_to_the_final_one():
    schedule = Cosine(final=0.2)
    assert schedule(0, 100, 10) == 1
    assert schedule(50, 100, 10) == pytest.approx(0.6)
    assert schedule(25, 100, 10) == pytest.approx(0.2 + 0.8 * (1 + math.sqrt(0.5)) / 2)
    assert schedule(100, 100, 10) == pytest.approx(0.2)


def test_cosine_warms_up_linearly_and_then_falls_over_the_rest():
    schedule = Cosine(warmup=3)
    assert [schedule(step, 13, 1) for step in range(4)] == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1])
    assert schedule(8, 13, 1) == pytest.approx(0.5)
    assert 0 < schedule(12, 13, 1) < 0.1


def test_constant_is_the_full_rate_throughout():
    assert {Constant()(step, 10, 3) for step in range(10)} == {1.0}


shares = st.floats(0, 1)
schedules = st.one_of(
    st.builds(ConstantThenLinear, constant=shares, by=st.sampled_from(["step", "epoch"])),
    st.builds(Cosine, final=shares, warmup=st.integers(0, 50)),
    st.builds(Constant),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(schedule=schedules, steps=st.integers(1, 60), epoch_steps=st.integers(1, 20))
def test_factors_are_between_zero_and_one_and_positive_until_the_end(schedule, steps, epoch_steps):
    factors = [schedule(step, steps, epoch_steps) for step in range(steps + 20)]
    assert all(0 <= factor <= 1 for factor in factors)
    assert all(factor > 0 for factor in factors[:steps])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(schedule=schedules, steps=st.integers(1, 60), epoch_steps=st.integers(1, 20))
def test_after_a_warm_up_the_rate_never_rises(schedule, steps, epoch_steps):
    factors = [schedule(step, steps, epoch_steps) for step in range(getattr(schedule, "warmup", 0), steps)]
    assert all(later <= earlier for earlier, later in pairwise(factors))


def test_a_warm_up_multiplies_another_schedule_without_delaying_it():
    schedule, other = WarmUp(steps=4, then=Cosine()), Cosine()
    factors = [schedule(step, 20, 1) for step in range(20)]
    assert factors[:4] == pytest.approx([other(step, 20, 1) * (step + 1) / 4 for step in range(4)])
    assert factors[4:] == [other(step, 20, 1) for step in range(4, 20)]
    assert [WarmUp(steps=2)(step, 9, 1) for step in range(4)] == [0.5, 1, 1, 1]
