"""Precision, recall, density and coverage against the formulas of their papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cgkit.components.metrics.neighbours import Coverage, Density, Precision, Recall


def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sqrt(((x[:, None] - y[None]) ** 2).sum(-1))


def radii(rows: np.ndarray, k: int) -> list[float]:
    """Return each row's distance to its k-th nearest neighbour, which is not the row itself."""
    return [sorted(np.delete(line, index))[k - 1] for index, line in enumerate(distances(rows, rows))]


def by_the_papers(fake: np.ndarray, real: np.ndarray, k: int) -> dict[str, float]:
    """Compute the sums of Kynkaanniemi et al., equations 1 and 2, and of Naeem et al., equations 3 and 4."""
    across, near_real, near_fake = distances(fake, real), radii(real, k), radii(fake, k)
    n, m = across.shape
    return {
        "precision": sum(any(across[i, j] <= near_real[j] for j in range(m)) for i in range(n)) / n,
        "recall": sum(any(across[i, j] <= near_fake[i] for i in range(n)) for j in range(m)) / m,
        "density": sum(across[i, j] <= near_real[j] for i in range(n) for j in range(m)) / (k * n),
        "coverage": sum(any(across[i, j] <= near_real[j] for i in range(n)) for j in range(m)) / m,
    }


@settings(max_examples=40, deadline=None)
@given(st.integers(6, 20), st.integers(6, 20), st.integers(1, 5), st.sampled_from([1, 3, 5]), st.integers(0, 99))
def test_the_values_are_those_of_the_papers(n: int, m: int, width: int, k: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    fake, real = draws.normal(size=(n, width)) * 1.3 + 0.4, draws.normal(size=(m, width))
    expected = by_the_papers(fake, real, k)
    for metric in (Precision, Recall, Density, Coverage):
        value = float(metric(neighbours=k)(torch.tensor(fake), torch.tensor(real)))
        assert value == pytest.approx(expected[metric.__name__.lower()], abs=1e-9)


def test_a_translation_that_is_always_the_same_is_precise_but_covers_nothing() -> None:
    real = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    same = real[:1] + 1e-4 * torch.randn(200, 4, generator=torch.Generator().manual_seed(1))
    assert float(Precision()(same, real)) == 1
    assert float(Density()(same, real)) >= 1
    assert float(Recall()(same, real)) <= 0.01
    assert float(Coverage()(same, real)) <= 0.1


def test_two_samples_of_one_distribution_have_density_1_and_coverage_near_1() -> None:
    draws = torch.Generator().manual_seed(0)
    pairs = [torch.randn(2, 100, 8, generator=draws) for _ in range(30)]
    density, coverage = (np.mean([float(metric(*pair)) for pair in pairs]) for metric in (Density(), Coverage()))
    assert density == pytest.approx(1, abs=0.03)
    assert coverage == pytest.approx(1 - 2**-5, abs=0.01)


def test_an_image_and_its_copy_are_in_each_others_balls() -> None:
    rows = torch.randn(7, 3, generator=torch.Generator().manual_seed(0)).repeat(6, 1)
    assert float(Precision(neighbours=3)(rows, rows)) == 1
    assert float(Coverage(neighbours=3)(rows, rows)) == 1


def test_balls_of_a_small_set_reach_to_its_farthest_image() -> None:
    first, second = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(0))
    for metric in (Precision, Recall, Density, Coverage):
        assert metric(neighbours=5)(first, second) == metric(neighbours=1)(first, second)
