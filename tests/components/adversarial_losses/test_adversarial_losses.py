"""Adversarial losses: published formulas, gradients, behaviour at extremes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from cgkit.components.adversarial_losses.bce import BinaryCrossEntropyLoss
from cgkit.components.adversarial_losses.hinge import HingeLoss
from cgkit.components.adversarial_losses.least_squares import LeastSquaresLoss
from cgkit.components.adversarial_losses.wasserstein import WassersteinLoss
from cgkit.contracts import AdversarialLoss

LOSSES = [BinaryCrossEntropyLoss, LeastSquaresLoss, HingeLoss, WassersteinLoss]


def logits(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("loss", "criterion"), [(LeastSquaresLoss, nn.MSELoss), (BinaryCrossEntropyLoss, nn.BCEWithLogitsLoss)]
)
def test_losses_equal_the_published_criteria_against_ones_and_zeros(loss, criterion):
    real, fake = logits(2, 1, 5, 6), logits(2, 1, 5, 6, seed=1)
    halved = 0.5 * (criterion()(real, torch.ones_like(real)) + criterion()(fake, torch.zeros_like(fake)))
    assert torch.allclose(loss().discriminator_loss(real, fake), halved, rtol=1e-14)
    assert torch.allclose(loss().generator_loss(fake), criterion()(fake, torch.ones_like(fake)), rtol=1e-14)


def test_bce_is_the_log_likelihood_of_equation_1():
    real, fake = logits(4, 1, 2, 2), logits(4, 1, 2, 2, seed=1)
    likelihood = real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean()
    assert torch.allclose(BinaryCrossEntropyLoss().discriminator_loss(real, fake), -likelihood / 2)
    assert torch.allclose(BinaryCrossEntropyLoss().generator_loss(fake), -fake.sigmoid().log().mean())


def test_bce_does_not_saturate_and_stays_finite():
    fake = torch.tensor([[[[-2000.0]]]], requires_grad=True)
    loss = BinaryCrossEntropyLoss().generator_loss(fake)
    loss.backward()
    assert loss.item() == 2000
    assert fake.grad.item() == -1
    assert BinaryCrossEntropyLoss().discriminator_loss(fake.detach(), -fake.detach()).item() == 2000


def test_hinge_ignores_logits_beyond_the_margins():
    real, fake = torch.tensor([0.5, 1.5, -1.0]), torch.tensor([-2.0, -0.25, 1.0])
    assert HingeLoss().discriminator_loss(real, fake).item() == pytest.approx((0.5 + 0 + 2) / 3 + (0 + 0.75 + 2) / 3)
    assert HingeLoss().generator_loss(fake).item() == pytest.approx(1.25 / 3)


def test_wasserstein_is_the_difference_of_the_means():
    real, fake = logits(3, 1, 2, 2), logits(3, 1, 2, 2, seed=1)
    assert torch.allclose(WassersteinLoss().discriminator_loss(real, fake), fake.mean() - real.mean())
    assert torch.allclose(WassersteinLoss().generator_loss(fake), -fake.mean())


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_satisfy_the_contract_for_logits_of_any_shape(loss):
    assert isinstance(loss(), AdversarialLoss)
    for dtype in (torch.float32, torch.float64):
        for shape in ((1, 1, 1, 1), (2, 1, 3, 5), (4,)):
            real, fake = logits(*shape, dtype=dtype), logits(*shape, dtype=dtype, seed=1)
            for value in (loss().discriminator_loss(real, fake), loss().generator_loss(fake)):
                assert value.shape == ()
                assert value.dtype is dtype
                assert math.isfinite(value.item())


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_exact_and_equal_in_every_layout(loss):
    real, fake = (logits(2, 2, 3, 4, seed=seed).requires_grad_() for seed in (0, 1))
    assert torch.autograd.gradcheck(loss().discriminator_loss, (real, fake))
    assert torch.autograd.gradcheck(loss().generator_loss, fake)
    inputs = [tensor.detach().to(memory_format=torch.channels_last).requires_grad_() for tensor in (real, fake)]
    expected = torch.autograd.grad(loss().discriminator_loss(real, fake), (real, fake))
    gradients = torch.autograd.grad(loss().discriminator_loss(*inputs), inputs)
    for gradient, reference in zip(gradients, expected, strict=True):
        assert torch.allclose(gradient, reference, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_descending_each_loss_moves_the_logits_in_its_direction(loss):
    real, fake = torch.zeros(1, 1, 2, 2, requires_grad=True), torch.zeros(1, 1, 2, 2, requires_grad=True)
    real_gradient, fake_gradient = torch.autograd.grad(loss().discriminator_loss(real, fake), (real, fake))
    (generator_gradient,) = torch.autograd.grad(loss().generator_loss(fake), fake)
    assert (real_gradient < 0).all()
    assert (fake_gradient > 0).all() or loss is LeastSquaresLoss  # its target for generated images is this 0
    assert (generator_gradient < 0).all()


class Linear(nn.Module):
    """A critic with a known gradient: its weight, for every image."""

    def __init__(self, norm, scales=1):
        super().__init__()
        weight = logits(3, 4, 4)
        self.weight = nn.Parameter(weight * (norm / weight.norm()))
        self.scales = scales

    def forward(self, images):
        # Two logits per image, to distinguish their mean from their sum.
        logit = (images * self.weight).sum((1, 2, 3)).view(-1, 1, 1, 1).expand(-1, 1, 1, 2)
        return logit if self.scales == 1 else [logit * (scale + 1) for scale in range(self.scales)]


@pytest.mark.parametrize("norm", [0.0, 0.5, 1.0, 3.0])
def test_the_penalty_is_the_weighted_squared_distance_of_the_gradient_norm_from_one(norm):
    penalty = WassersteinLoss(gradient_penalty=7.0).penalty(
        Linear(norm), logits(3, 3, 4, 4), logits(3, 3, 4, 4, seed=1)
    )
    assert penalty.shape == ()
    assert penalty.item() == pytest.approx(7 * (norm - 1) ** 2, abs=1e-12)


def test_the_penalty_is_the_mean_over_scales():
    critic = Linear(2.0, scales=3)
    penalty = WassersteinLoss().penalty(critic, logits(2, 3, 4, 4), logits(2, 3, 4, 4, seed=1))
    assert penalty.item() == pytest.approx(10 * (1**2 + 3**2 + 5**2) / 3)


def test_the_penalty_has_gradients_for_the_critic_alone():
    critic = Linear(3.0)
    real, fake = logits(2, 3, 4, 4).requires_grad_(), logits(2, 3, 4, 4, seed=1).requires_grad_()
    WassersteinLoss().penalty(critic, real, fake).backward()
    # The derivative of 10 (|w| - 1)^2 points along w.
    assert torch.allclose(critic.weight.grad, 20 * (3 - 1) * critic.weight.detach() / 3)
    assert real.grad is None
    assert fake.grad is None


def test_the_penalty_of_a_constant_critic_has_finite_gradients():
    critic = Linear(0.0)
    penalty = WassersteinLoss().penalty(critic, logits(2, 3, 4, 4), logits(2, 3, 4, 4, seed=1))
    penalty.backward()
    assert penalty.item() == 10
    assert critic.weight.grad.isfinite().all()


def test_the_penalty_samples_a_random_point_between_real_and_generated_for_each_image():
    inputs = []

    def critic(images):
        inputs.append(images.detach())
        return images.square().sum((1, 2, 3), keepdim=True)

    real, fake = torch.zeros(50, 3, 4, 4), torch.ones(50, 3, 4, 4)
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        WassersteinLoss().penalty(critic, real, fake)
    shares = inputs[0].flatten(1)
    assert (shares == shares[:, :1]).all()
    assert float(shares.min()) < 0.1 < 0.9 < float(shares.max())
    assert len(shares[:, 0].unique()) == 50
    assert torch.equal(inputs[0], inputs[1])
    assert not torch.equal(inputs[0], inputs[2])


def test_a_penalty_with_weight_zero_does_not_call_the_critic():
    penalty = WassersteinLoss(gradient_penalty=0.0).penalty(None, logits(1, 3, 4, 4), logits(1, 3, 4, 4))
    assert penalty.item() == 0
