"""Reconstruction losses: published formulas and exact gradients."""

from __future__ import annotations

import math

import pytest
import torch

from cgkit.components.reconstruction_losses.charbonnier import CharbonnierLoss
from cgkit.components.reconstruction_losses.l1 import L1Loss
from cgkit.components.reconstruction_losses.l2 import L2Loss
from cgkit.components.reconstruction_losses.ssim import SsimLoss

LOSSES = [L1Loss(), L2Loss(), CharbonnierLoss(), CharbonnierLoss(epsilon=0.1), SsimLoss(window=5)]


def images(*shape, dtype=torch.float64, seed=0):
    return torch.rand(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_distance_of_equal_images_is_exactly_zero_and_of_others_positive(loss, dtype):
    for channels in (1, 3, 4):
        first, second = (images(2, channels, 9, 12, dtype=dtype, seed=seed) for seed in (0, 1))
        assert loss(first, first.clone()).item() == 0
        assert loss(first, second).shape == ()
        assert loss(first, second).dtype is dtype
        assert loss(first, second).item() > 0
        assert loss(first, second).item() == pytest.approx(loss(second, first).item(), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_constant_and_equal_images_have_finite_gradients(loss):
    for value in (-1.0, 0.0, 1.0):
        for target in (torch.full((1, 3, 8, 8), value), torch.full((1, 3, 8, 8), -value)):
            reconstruction = torch.full((1, 3, 8, 8), value, requires_grad=True)
            distance = loss(reconstruction, target)
            distance.backward()
            assert math.isfinite(distance.item())
            assert reconstruction.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("batch", [1, 2])
def test_gradients_are_exact_and_equal_in_every_layout(loss, batch):
    reconstruction, target = images(batch, 2, 6, 7).requires_grad_(), images(batch, 2, 6, 7, seed=1)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), reconstruction)
    (expected,) = torch.autograd.grad(loss(reconstruction, target), reconstruction)
    for target_layout in (torch.channels_last, torch.contiguous_format):
        channels_last = reconstruction.detach().to(memory_format=torch.channels_last).requires_grad_()
        (gradient,) = torch.autograd.grad(loss(channels_last, target.to(memory_format=target_layout)), channels_last)
        assert float((gradient - expected).norm()) <= 1e-10 * float(expected.norm())


def test_the_pixelwise_distances_are_means_over_everything():
    first, second = images(2, 3, 4, 5), images(2, 3, 4, 5, seed=1)
    difference = first - second
    assert torch.allclose(L1Loss()(first, second), difference.abs().mean())
    assert torch.allclose(L2Loss()(first, second), difference.square().mean())
    for epsilon in (1e-3, 0.5):
        expected = ((difference.square() + epsilon**2).sqrt() - epsilon).mean()
        assert torch.allclose(CharbonnierLoss(epsilon=epsilon)(first, second), expected)


def test_charbonnier_is_quadratic_below_epsilon_and_linear_above():
    zero = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    assert CharbonnierLoss(epsilon=1e-3)(zero + 1e-6, zero).item() == pytest.approx(1e-12 / 2e-3, rel=1e-5)
    assert CharbonnierLoss(epsilon=1e-3)(zero + 1.5, zero).item() == pytest.approx(1.5 - 1e-3, rel=1e-6)


def test_ssim_is_one_minus_the_published_formula_in_0_to_1():
    first, second = images(1, 1, 11, 11), images(1, 1, 11, 11, seed=1)
    offsets = torch.arange(11, dtype=torch.float64) - 5
    window = torch.exp(-(offsets**2) / (2 * 1.5**2))
    window = torch.outer(window, window) / window.sum() ** 2
    x, y = (first[0, 0] + 1) / 2, (second[0, 0] + 1) / 2

    def mean(values):
        return (window * values).sum()

    covariance = mean(x * y) - mean(x) * mean(y)
    variances = mean(x * x) - mean(x) ** 2 + mean(y * y) - mean(y) ** 2
    similarity = (2 * mean(x) * mean(y) + 0.01**2) * (2 * covariance + 0.03**2)
    similarity /= (mean(x) ** 2 + mean(y) ** 2 + 0.01**2) * (variances + 0.03**2)
    assert torch.allclose(SsimLoss()(first, second), 1 - similarity, rtol=1e-6)


@pytest.mark.parametrize("window", [3, 11, 31])
def test_ssim_accepts_images_of_its_window_size_and_refuses_smaller_ones(window):
    loss = SsimLoss(window=window)
    assert loss(images(1, 3, window, window), images(1, 3, window, window, seed=1)).isfinite()
    with pytest.raises(ValueError, match=rf"height and width must be at least {window}$"):
        loss(images(1, 3, window, window - 1), images(1, 3, window, window - 1))


def test_an_even_window_is_refused():
    with pytest.raises(ValueError, match="window = 10 is even"):
        SsimLoss(window=10)
