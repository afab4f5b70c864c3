"""The logistic loss and the R1 penalty."""

from __future__ import annotations

import math

import pytest
import torch
from cgkit_losses.softplus_r1 import SoftplusR1Loss
from torch import Tensor, nn


class Linear(nn.Module):
    """A discriminator with one logit per image: the inner product of the image and its weights."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.calls = 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return (images * self.weight).sum((1, 2, 3)).reshape(-1, 1, 1, 1)


class Patches(nn.Module):
    """A discriminator with several scales, each of which is a single convolution."""

    def __init__(self, *convolutions: nn.Conv2d) -> None:
        super().__init__()
        self.scales = nn.ModuleList(convolutions)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [scale(images) for scale in self.scales]


def test_the_losses_are_logistic() -> None:
    loss = SoftplusR1Loss()
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5])
    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(1))) / 2 + math.log1p(math.exp(0.5))
    assert loss.discriminator_loss(real, fake).item() == pytest.approx(expected)
    assert loss.generator_loss(fake).item() == pytest.approx(math.log1p(math.exp(-0.5)))


def test_the_losses_are_linear_for_wrong_logits_and_zero_for_right_ones() -> None:
    loss = SoftplusR1Loss()
    high, low = torch.tensor([1e4], requires_grad=True), torch.tensor([-1e4], requires_grad=True)
    assert loss.discriminator_loss(high, low).item() == 0
    wrong = loss.discriminator_loss(low, high)
    assert wrong.item() == pytest.approx(2e4)
    assert [gradient.item() for gradient in torch.autograd.grad(wrong, [low, high])] == [-1, 1]
    rejected = loss.generator_loss(low)
    assert rejected.item() == pytest.approx(1e4)
    assert torch.autograd.grad(rejected, low)[0].item() == -1


def test_the_penalty_of_a_linear_discriminator_is_half_gamma_times_its_squared_norm() -> None:
    torch.manual_seed(0)
    weight = torch.randn(3, 4, 4, dtype=torch.float64)
    real, fake = torch.randn(2, 5, 3, 4, 4, dtype=torch.float64)
    discriminator = Linear(weight)
    penalty = SoftplusR1Loss(gamma=7.0).penalty(discriminator, real, fake)
    torch.testing.assert_close(penalty, 3.5 * weight.square().sum())
    # The penalty is differentiable: the gradient of gamma/2 |w|^2 is gamma w.
    penalty.backward()
    torch.testing.assert_close(discriminator.weight.grad, 7 * weight)


def test_the_penalty_is_computed_at_the_real_images_only() -> None:
    def squared(images: Tensor) -> Tensor:
        return 0.5 * images.square().sum((1, 2, 3), keepdim=True)  # the gradient of this score is the image itself

    real = torch.stack([torch.full((1, 2, 2), 1.0), torch.full((1, 2, 2), 3.0)])
    penalty = SoftplusR1Loss(gamma=2.0).penalty(squared, real, torch.full_like(real, 100.0))
    assert penalty.item() == pytest.approx((4 * 1 + 4 * 9) / 2)


def test_the_penalty_uses_the_mean_over_patches_and_averages_scales() -> None:
    steep, flat = nn.Conv2d(1, 1, 1, bias=False), nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(steep.weight, 6.0)
    nn.init.zeros_(flat.weight)
    real = torch.rand(2, 1, 3, 3)
    # The mean of the steep scale's 9 logits has a gradient of 6/9 at each of the 9 pixels.
    expected = 0.5 * (9 * (6 / 9) ** 2 + 0) / 2
    penalty = SoftplusR1Loss(gamma=1.0).penalty(Patches(steep, flat), real, real)
    assert penalty.item() == pytest.approx(expected)


def test_without_gamma_the_discriminator_is_not_called() -> None:
    discriminator = Linear(torch.ones(1, 2, 2))
    real = torch.rand(2, 1, 2, 2)
    assert SoftplusR1Loss(gamma=0.0).penalty(discriminator, real, real).item() == 0
    assert discriminator.calls == 0
