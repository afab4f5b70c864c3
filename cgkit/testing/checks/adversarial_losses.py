"""Checks of adversarial losses."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cgkit.data.randomness import seeded
from cgkit.testing.check import NotApplicableError, check
from cgkit.testing.subject import Subject
from cgkit.testing.usage import losses, small_discriminator

SHAPES = ((1, 1, 1, 1), (2, 1, 4, 6), (3, 1, 1, 7))
EXTREME = 1e4


@check("adversarial_losses")
def adversarial_losses_are_scalars(subject: Subject) -> None:
    """The discriminator's and the generator's loss are scalars, for logits of any shape."""
    loss = subject.build()
    for shape in SHAPES:
        real, fake = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
        for network, value in losses(loss, real, fake).items():
            _check_scalar(f"the {network}'s loss for logits of shape {shape}", value)


@check("adversarial_losses")
def adversarial_losses_stay_finite(subject: Subject) -> None:
    """The discriminator's and the generator's loss and their gradients are finite for logits from -10,000 to 10,000."""
    loss = subject.build()
    for real_value in (-EXTREME, 0.0, EXTREME):
        for fake_value in (-EXTREME, 0.0, EXTREME):
            real, fake = (_constant_logits(value) for value in (real_value, fake_value))
            inputs = f"for real logits of {real_value:g} and fake logits of {fake_value:g}"
            for network, value in losses(loss, real, fake).items():
                assert torch.isfinite(value).all(), f"the {network}'s loss is not finite {inputs}"
                gradients = torch.autograd.grad(value.sum(), (real, fake), allow_unused=True)
                finite = all(gradient is None or bool(torch.isfinite(gradient).all()) for gradient in gradients)
                assert finite, f"the gradient of the {network}'s loss is not finite {inputs}"


@check("adversarial_losses")
def adversarial_losses_point_the_right_way(subject: Subject) -> None:
    """The discriminator learns to raise real logits and to lower fake ones; the generator learns to raise fake ones."""
    loss = subject.build()
    for logit in (0.25, 0.5):  # not 0, because the gradient of the least-squares loss of fake images is zero there
        real, fake = _constant_logits(logit), _constant_logits(logit)
        values = losses(loss, real, fake)
        (of_real, of_fake), (_, of_generator) = (
            torch.autograd.grad(values[network].sum(), (real, fake), allow_unused=True, materialize_grads=True)
            for network in ("discriminator", "generator")
        )
        assert of_real.sum() < 0, f"the discriminator does not learn to raise real logits above {logit:g}"
        assert of_fake.sum() > 0, f"the discriminator does not learn to lower fake logits below {logit:g}"
        assert of_generator.sum() < 0, f"the generator does not learn to raise fake logits above {logit:g}"


@check("adversarial_losses")
def the_penalty_is_a_scalar_that_teaches(subject: Subject) -> None:
    """A penalty is a finite, nonnegative scalar, and its gradient reaches the discriminator's parameters."""
    loss = subject.build()
    if not hasattr(loss, "penalty"):
        raise NotApplicableError
    with seeded(0):
        discriminator = small_discriminator()
        real, fake = torch.rand(2, 2, 3, 8, 8) * 2 - 1
        penalty = loss.penalty(discriminator, real, fake)
    _check_scalar("the penalty", penalty)
    value = float(penalty.detach())
    assert math.isfinite(value), f"the penalty is {value:g}"
    assert value >= 0, f"the penalty is {value:g}, less than zero"
    if not penalty.requires_grad and value == 0:
        return  # the weight of the penalty is zero, so it has no gradient
    weight = discriminator[0].weight
    (gradient,) = torch.autograd.grad(penalty, weight, allow_unused=True, materialize_grads=True)  # type: ignore[arg-type]
    assert torch.isfinite(gradient).all(), "the penalty's gradient is not finite"
    assert gradient.any(), "no gradient of the penalty reaches the discriminator: compute it with create_graph=True"


def _constant_logits(value: float) -> Tensor:
    return torch.full((2, 1, 2, 2), value, requires_grad=True)


def _check_scalar(name: str, value: object) -> None:
    assert isinstance(value, Tensor), f"{name} is a {type(value).__name__}; expected a tensor"
    assert value.numel() == 1, f"{name} has shape {tuple(value.shape)}; expected a scalar"
