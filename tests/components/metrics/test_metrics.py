"""Metrics that compare translations with the ground truth or the source."""

from __future__ import annotations

import math

import pytest
import torch

from cgkit.components.metrics.l1 import MeanAbsoluteError
from cgkit.components.metrics.perceptual import PerceptualDistance
from cgkit.components.metrics.psnr import Psnr
from cgkit.components.metrics.source_similarity import SourceSimilarity
from cgkit.components.metrics.ssim import Ssim

METRICS = [MeanAbsoluteError(), Psnr(), Ssim()]


def flat(*values, channels=3, size=(12, 14)):
    """Return one flat image for each value."""
    return torch.stack([torch.full((channels, *size), value, dtype=torch.float64) for value in values])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 16, 12), (3, 1, 5, 40), (2, 3, 10, 10), (1, 4, 11, 11)])
def test_metrics_return_one_finite_number_per_image_independent_of_the_batch(metric, shape):
    translations, references = torch.rand(2, *shape)
    scores = metric(translations, references)
    assert scores.shape == shape[:1]
    assert scores.isfinite().all()
    alone = torch.cat([metric(translations[[n]], references[[n]]) for n in range(shape[0])])
    assert torch.allclose(scores, alone, atol=1e-6)  # SSIM may be close to 0
    assert metric.compares == "truth"


@pytest.mark.parametrize(("metric", "best"), [(METRICS[0], 0), (METRICS[1], 100), (METRICS[2], 1)])
def test_equal_images_have_the_best_score(metric, best):
    for images in (torch.rand(2, 3, 20, 16), torch.zeros(2, 1, 20, 16), torch.ones(1, 3, 4, 4)):
        assert metric(images, images).tolist() == pytest.approx([best] * len(images))


def test_l1_is_the_mean_absolute_difference():
    assert MeanAbsoluteError()(flat(0.5, 0.25, 1), flat(0.25, 0.5, 0)).tolist() == pytest.approx([0.25, 0.25, 1])


def test_psnr_is_in_decibels_of_a_peak_of_one():
    scores = Psnr()(flat(0.6, 0.51, 1), flat(0.5, 0.5, 0)).tolist()
    assert scores == pytest.approx([20, 40, 0], abs=1e-9)
    half = flat(0.5)
    half[:, :, :6] += 0.1
    assert Psnr()(half, flat(0.5)).item() == pytest.approx(20 + 10 * math.log10(2))


def test_psnr_is_never_above_100_decibels():
    assert Psnr()(flat(0.5 + 1e-9), flat(0.5)).item() == 100


def test_ssim_of_flat_images_is_the_luminance_term():
    c1 = 0.01**2
    expected = (2 * 0.3 * 0.7 + c1) / (0.3**2 + 0.7**2 + c1)
    assert Ssim()(flat(0.3), flat(0.7)).item() == pytest.approx(expected)


@pytest.mark.parametrize(("size", "window"), [((11, 11), 11), ((10, 14), 9), ((4, 3), 3)])
def test_ssim_is_the_published_formula_with_the_largest_odd_window_that_fits(size, window):
    translations, references = torch.rand(2, 2, 3, *size, dtype=torch.float64)
    offsets = torch.arange(window, dtype=torch.float64) - window // 2
    weights = torch.exp(-(offsets**2) / (2 * 1.5**2))
    weights = weights[:, None] * weights
    weights = weights / weights.sum()
    expected = []
    for x, y in zip(translations, references, strict=True):
        positions = []
        for top in range(size[0] - window + 1):
            for left in range(size[1] - window + 1):
                a, b = (image[:, top : top + window, left : left + window] for image in (x, y))
                mean_a, mean_b = ((weights * image).sum((1, 2), keepdim=True) for image in (a, b))
                var_a, var_b, covariance = (
                    (weights * product).sum((1, 2), keepdim=True)
                    for product in ((a - mean_a) ** 2, (b - mean_b) ** 2, (a - mean_a) * (b - mean_b))
                )
                luminance = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
                positions.append(luminance * (2 * covariance + 9e-4) / (var_a + var_b + 9e-4))
        expected.append(torch.cat(positions).mean().item())
    assert Ssim()(translations, references).tolist() == pytest.approx(expected, rel=1e-9)


def test_the_perceptual_distance_grows_with_blur_and_is_zero_for_equal_images():
    draws = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 40, 40, generator=draws)
    metric = PerceptualDistance()
    assert metric(images, images).tolist() == pytest.approx([0, 0], abs=1e-9)
    blurred = [torch.nn.functional.avg_pool2d(images, width, 1, width // 2) for width in (3, 9)]
    little, much = (metric(translations, images) for translations in blurred)
    assert (little > 0.01).all()
    assert (much > little).all()
    assert (much < 2).all()
    alone = torch.cat([metric(blurred[0][[n]], images[[n]]) for n in range(2)])
    assert torch.allclose(little, alone, atol=1e-5)


def test_a_copy_has_source_similarity_one():
    images = torch.rand(2, 3, 20, 20)
    assert SourceSimilarity()(images, images).tolist() == pytest.approx([1, 1])
    assert (SourceSimilarity()(torch.rand(2, 3, 20, 20), images) < 0.3).all()
