"""The relativistic average loss: formulas, gradients and invariance."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from cgkit_losses.relativistic_average import RelativisticAverageLoss
from torch import Tensor

Form = Literal["least-squares", "bce"]
FORMS: list[Form] = ["least-squares", "bce"]

REAL, FAKE = torch.tensor([3.0, 1.0]), torch.tensor([0.0, -2.0])
"""Logits with means of 2 (real) and -1 (fake), so their relative logits are 4 and 2 (real) and -2 and -4 (fake)."""


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def test_least_squares_targets_of_the_relative_logits_are_plus_and_minus_one() -> None:
    loss = RelativisticAverageLoss(form="least-squares")
    # For the discriminator, the mean of (4-1)^2 and (2-1)^2 is 5, as is that of (-2+1)^2 and (-4+1)^2. For the
    # generator, the mean of 5^2 and 3^2 is 17.
    assert loss.discriminator_loss(REAL, FAKE).item() == pytest.approx(0.5 * (5 + 5))
    assert loss.generator_loss(FAKE, REAL).item() == pytest.approx(0.5 * (17 + 17))


def test_bce_is_the_log_likelihood_of_the_relative_logits() -> None:
    loss = RelativisticAverageLoss(form="bce")
    likely = [log_sigmoid(4), log_sigmoid(2), log_sigmoid(2), log_sigmoid(4)]
    assert loss.discriminator_loss(REAL, FAKE).item() == pytest.approx(-0.5 * sum(likely) / 2)
    unlikely = [log_sigmoid(-4), log_sigmoid(-2), log_sigmoid(-2), log_sigmoid(-4)]
    assert loss.generator_loss(FAKE, REAL).item() == pytest.approx(-0.5 * sum(unlikely) / 2)


@pytest.mark.parametrize("form", FORMS)
def test_only_differences_between_logits_matter(form: Form) -> None:
    loss = RelativisticAverageLoss(form=form)
    torch.testing.assert_close(loss.discriminator_loss(REAL + 7, FAKE + 7), loss.discriminator_loss(REAL, FAKE))
    torch.testing.assert_close(loss.generator_loss(FAKE + 7, REAL + 7), loss.generator_loss(FAKE, REAL))


@pytest.mark.parametrize("form", FORMS)
def test_the_discriminator_raises_real_logits_and_the_generator_fake_ones(form: Form) -> None:
    loss = RelativisticAverageLoss(form=form)
    real, fake = torch.zeros(2, 1, 3, 3, requires_grad=True), torch.zeros(2, 1, 3, 3, requires_grad=True)
    up, down = torch.autograd.grad(loss.discriminator_loss(real, fake), [real, fake])
    assert (up < 0).all()  # gradient descent raises the real logits
    assert (down > 0).all()
    down, up = torch.autograd.grad(loss.generator_loss(fake, real), [real, fake])
    assert (up < 0).all()
    assert (down > 0).all()


@pytest.mark.parametrize("form", FORMS)
def test_gradients_agree_with_finite_differences_in_float64(form: Form) -> None:
    loss = RelativisticAverageLoss(form=form)
    torch.manual_seed(0)
    logits = [torch.randn(2, 1, 2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(loss.discriminator_loss, logits)
    assert torch.autograd.gradcheck(loss.generator_loss, logits)


@pytest.mark.parametrize("extreme", [1e4, -1e4])
def test_bce_is_finite_and_linear_at_extreme_logits(extreme: float) -> None:
    loss = RelativisticAverageLoss(form="bce")
    real = torch.full((2, 1, 2, 2), extreme, requires_grad=True)
    fake = torch.zeros(2, 1, 2, 2)
    value: Tensor = loss.discriminator_loss(real, fake)
    assert value.item() == pytest.approx(max(0.0, -extreme))
    (gradient,) = torch.autograd.grad(value, real)
    assert gradient.isfinite().all()


def test_the_generator_loss_requests_real_logits() -> None:
    assert RelativisticAverageLoss().wants_real_logits is True
