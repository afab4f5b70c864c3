"""The adversarial loss: CycleGAN's least squares with a gradient penalty on the discriminator."""

from __future__ import annotations

import pytest
import torch
from cgkit_uvcgan.discriminator import BatchHeadPatchDiscriminator
from cgkit_uvcgan.penalised_least_squares import PenalisedLeastSquaresLoss
from torch import nn

from cgkit.components.adversarial_losses.least_squares import LeastSquaresLoss


class Linear(nn.Module):
    """A discriminator whose 2x3 logits are all the same linear function of the image."""

    def __init__(self, *scales):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4, 5, dtype=torch.float64))
        self.scales = scales

    def forward(self, images):
        logit = (images * self.weight).sum((1, 2, 3)).view(-1, 1, 1, 1).expand(-1, 1, 2, 3)
        return [scale * logit for scale in self.scales] if self.scales else logit


def pair(count=2):
    return torch.rand(2, count, 3, 4, 5, dtype=torch.float64).unbind()


def test_the_losses_are_those_of_cyclegan():
    real, fake = torch.randn(2, 3, 1, 4, 4).unbind()
    loss, published = PenalisedLeastSquaresLoss(), LeastSquaresLoss()
    assert torch.equal(loss.discriminator_loss(real, fake), published.discriminator_loss(real, fake))
    assert torch.equal(loss.generator_loss(fake), published.generator_loss(fake))


@pytest.mark.parametrize("weight", [1.0, 0.1])
def test_centred_on_zero_the_penalty_is_the_squared_gradient_norm(weight):
    discriminator = Linear()
    loss = PenalisedLeastSquaresLoss(gradient_penalty=weight)
    penalty = loss.penalty(discriminator, *pair())
    assert torch.allclose(penalty, weight * discriminator.weight.square().sum())
    (gradient,) = torch.autograd.grad(penalty, discriminator.weight)
    assert torch.allclose(gradient, 2 * weight * discriminator.weight)


@pytest.mark.parametrize(("patches", "logits"), [("mean", 1), ("sum", 6)])
def test_centred_elsewhere_the_penalty_is_the_squared_relative_deviation_of_the_norm(patches, logits):
    discriminator = Linear()
    loss = PenalisedLeastSquaresLoss(gradient_penalty=0.1, centre=100.0, patches=patches)
    norm = logits * discriminator.weight.square().sum().sqrt()
    assert torch.allclose(loss.penalty(discriminator, *pair()), 0.1 * (norm - 100).square() / 100**2)


def test_the_penalty_is_averaged_over_scales():
    discriminator = Linear(1.0, 3.0)
    expected = 5 * discriminator.weight.square().sum()
    assert torch.allclose(PenalisedLeastSquaresLoss().penalty(discriminator, *pair()), expected)


def test_a_constant_discriminator_has_no_penalty_and_no_gradient():
    discriminator = Linear()
    nn.init.zeros_(discriminator.weight)
    penalty = PenalisedLeastSquaresLoss().penalty(discriminator, *pair())
    penalty.backward()
    assert penalty.item() == 0
    assert not discriminator.weight.grad.any()


def test_the_penalty_is_computed_between_real_and_fake_images():
    seen = []

    def discriminator(images):
        seen.append(images.detach())
        return images.square().sum((1, 2, 3)).view(-1, 1, 1, 1)

    PenalisedLeastSquaresLoss().penalty(discriminator, torch.zeros(64, 3, 4, 5), torch.ones(64, 3, 4, 5))
    (images,) = seen
    assert (images.amin((1, 2, 3)) == images.amax((1, 2, 3))).all()
    assert images.min() >= 0
    assert images.max() <= 1
    assert images[:, 0, 0, 0].std() > 0.2


def test_with_a_weight_of_zero_the_discriminator_is_not_called():
    assert float(PenalisedLeastSquaresLoss(gradient_penalty=0).penalty(None, *pair())) == 0


@pytest.mark.parametrize("centre", [0.0, 100.0])
def test_the_penalty_works_with_a_discriminator_with_a_memory_and_stores_nothing(centre):
    discriminator = BatchHeadPatchDiscriminator(3, width=4, layers=2, size=(16, 16))
    real, fake = (torch.rand(2, 1, 3, 16, 16) * 2 - 1).unbind()
    discriminator(real, real=True, learning=True)
    discriminator(fake, real=False, learning=True)
    stored = {kind: memory.features.clone() for kind, memory in discriminator.memories.items()}
    PenalisedLeastSquaresLoss(centre=centre).penalty(discriminator, real, fake).backward()
    assert all(torch.equal(memory.features, stored[kind]) for kind, memory in discriminator.memories.items())
    for name, parameter in discriminator.named_parameters():
        if not name.endswith(("2.bias", "0.bias")):  # an additive constant does not affect the gradient
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name
