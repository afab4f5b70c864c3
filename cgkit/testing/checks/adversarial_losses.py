"""What is asked of adversarial losses."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cgkit.testing.check import NotApplicableError, check
from cgkit.testing.subject import Subject
from cgkit.testing.usage import discriminator_loss, generator_loss, small_discriminator

SHAPES = ((1, 1, 1, 1), (2, 1, 4, 6), (3, 1, 1, 7))
EXTREME = 1e4


@check("adversarial_losses")
def adversarial_losses_are_scalars(subject: Subject) -> None:
    """Both losses are scalars, for logits of any shape."""
    loss = subject.build()
    for shape in SHAPES:
        real, fake = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
        for who, made in (
            ("discriminator", discriminator_loss(loss, real, fake)),
            ("generator", generator_loss(loss, fake, real)),
        ):
            _check_scalar(f"the {who}'s loss of logits {shape}", made)


@check("adversarial_losses")
def adversarial_losses_stay_finite(subject: Subject) -> None:
    """Both losses and their gradients are finite for logits as far as 10,000 on either side."""
    loss = subject.build()
    for real_value in (-EXTREME, 0.0, EXTREME):
        for fake_value in (-EXTREME, 0.0, EXTREME):
            real = torch.full((2, 1, 2, 2), real_value, requires_grad=True)
            fake = torch.full((2, 1, 2, 2), fake_value, requires_grad=True)
            where = f"for real logits of {real_value:g} and made ones of {fake_value:g}"
            for who, made in (
                ("discriminator", discriminator_loss(loss, real, fake)),
                ("generator", generator_loss(loss, fake, real)),
            ):
                assert torch.isfinite(made).all(), f"the {who}'s loss is not finite {where}"
                gradients = torch.autograd.grad(made.sum(), (real, fake), allow_unused=True)
                finite = all(one is None or bool(torch.isfinite(one).all()) for one in gradients)
                assert finite, f"the gradient of the {who}'s loss is not finite {where}"


@check("adversarial_losses")
def adversarial_losses_point_the_right_way(subject: Subject) -> None:
    """A discriminator that cannot tell learns to rate real images higher, made ones lower; a generator opposes it."""
    loss = subject.build()
    for middle in (0.25, 0.5):  # at 0 a made image is where least squares wants it
        real = torch.full((2, 1, 2, 2), middle, requires_grad=True)
        fake = torch.full((2, 1, 2, 2), middle, requires_grad=True)
        of_real, of_fake = torch.autograd.grad(
            discriminator_loss(loss, real, fake).sum(), (real, fake), allow_unused=True, materialize_grads=True
        )
        assert of_real.sum() < 0, f"the discriminator is not taught to rate real images above {middle:g}"
        assert of_fake.sum() > 0, f"the discriminator is not taught to rate made images below {middle:g}"
        (of_made,) = torch.autograd.grad(
            generator_loss(loss, fake, real.detach()).sum(), fake, allow_unused=True, materialize_grads=True
        )
        assert of_made.sum() < 0, f"the generator is not taught to have its images rated above {middle:g}"


@check("adversarial_losses")
def the_penalty_is_a_scalar_that_teaches(subject: Subject) -> None:
    """A penalty is a finite scalar, not negative, whose gradient reaches the discriminator's parameters."""
    loss = subject.build()
    if not hasattr(loss, "penalty"):
        raise NotApplicableError
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        discriminator = small_discriminator()
        real, fake = torch.rand(2, 2, 3, 8, 8) * 2 - 1
        penalty = loss.penalty(discriminator, real, fake)
    _check_scalar("the penalty", penalty)
    amount = float(penalty.detach())
    assert math.isfinite(amount), f"the penalty is {amount:g}"
    assert amount >= 0, f"the penalty is {amount:g}, less than zero"
    if not penalty.requires_grad and amount == 0:
        return  # its weight is zero
    weight = discriminator[0].weight
    (gradient,) = torch.autograd.grad(penalty, weight, allow_unused=True, materialize_grads=True)  # type: ignore[arg-type]
    assert torch.isfinite(gradient).all(), "the penalty's gradient is not finite"
    assert gradient.any(), "no gradient of the penalty reaches the discriminator: build it with create_graph=True"


def _check_scalar(what: str, made: object) -> None:
    assert isinstance(made, Tensor), f"{what} is a {type(made).__name__}, where a tensor is expected"
    assert made.numel() == 1, f"{what} has shape {tuple(made.shape)}, where a scalar is expected"
