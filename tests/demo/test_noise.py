"""Noise is smooth, bounded and the same at every resolution."""

from __future__ import annotations

import numpy as np
import pytest

from cgkit.demo.noise import PERIOD, Noise, bend, slope, smooth

Y, X = (np.linspace(start, end, 50, dtype=np.float32) for start, end in ((0, 1), (-3, 2)))


@pytest.fixture
def noise():
    return Noise.draw(np.random.default_rng(0), (0.3, 0.5), octaves=4)


def test_values_are_mostly_between_minus_one_and_one(noise):
    field = noise.on_grid(np.linspace(0, 9, 200, dtype=np.float32), np.linspace(0, 9, 200, dtype=np.float32), 0.001)
    assert field.dtype == np.float32
    assert 0.4 < field.std() < 0.75
    assert (np.abs(field) < 1).mean() > 0.8


def test_a_point_has_the_same_value_on_every_grid(noise):
    whole = noise.on_grid(Y, X, 0.01)
    assert np.allclose(noise.on_grid(Y[20:30], X[::3], 0.01), whole[20:30, ::3], atol=1e-5)


def test_noise_is_smooth(noise):
    fine = np.arange(0, 1, 1e-3, dtype=np.float32)
    steps = np.diff(noise.on_grid(fine, fine, 1e-3), axis=0)
    assert np.abs(steps).max() < 0.05


def test_details_finer_than_the_grain_are_left_out(noise):
    assert not noise.on_grid(Y, X, 0.31).any()
    coarse, fine = noise.on_grid(Y, X, 0.15), noise.on_grid(Y, X, 0.01)
    assert coarse.any()
    assert not np.allclose(coarse, fine, atol=0.05)


def test_a_line_is_bounded_and_repeats_after_the_period(noise):
    line = noise.along(X, 0.01)
    assert line.shape == X.shape
    assert line.dtype == np.float32
    assert 0.1 < np.abs(line).max() < 2
    assert np.allclose(noise.along(X + np.float32(0.5 * PERIOD), 0.01), line, atol=1e-3)


def test_smooth_and_bend_stay_within_their_bounds():
    values = np.linspace(-50, 50, 101, dtype=np.float32)
    assert (smooth(values)[[0, 50, 51, 100]] == [0, 0, 1, 1]).all()
    assert smooth(np.float32([0.5])) == 0.5
    assert np.abs(bend(values)).max() < 1
    assert np.allclose(slope(values * 3, 1.0), 3)
