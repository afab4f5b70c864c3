"""Adversarial losses that keep or break their contract."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from tests.testing.broken.registry import breaks, breaks_only, good

Network = Callable[[Tensor], Tensor]


@good("adversarial_losses")
class AdversarialLoss:
    """The logistic loss, with a gradient penalty."""

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return softplus(-real_logits).mean() + softplus(fake_logits).mean()

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        return softplus(-fake_logits).mean()

    def penalty(self, discriminator: Network, real: Tensor, fake: Tensor) -> Tensor:
        images = real.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
        return gradient.square().mean()


@breaks_only("adversarial_losses", "adversarial-losses-are-scalars")
class NotAveraged(AdversarialLoss):
    """Returns one loss per logit."""

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        return softplus(-fake_logits)


@breaks_only("adversarial_losses", "adversarial-losses-stay-finite")
class LogarithmOfZero(AdversarialLoss):
    """Takes the logarithm of a probability that can underflow."""

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        return -fake_logits.sigmoid().log().mean()


@breaks_only("adversarial_losses", "adversarial-losses-point-the-right-way")
class LowersFakeLogits(AdversarialLoss):
    """Teaches the generator to lower the logits of its images."""

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        return softplus(fake_logits).mean()


@breaks("adversarial_losses", "adversarial-losses-point-the-right-way")
class RaisesFakeLogits(AdversarialLoss):
    """Teaches the discriminator to raise the logits of generated images."""

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return softplus(-real_logits).mean() + softplus(-fake_logits).mean()


@breaks_only("adversarial_losses", "the-penalty-is-a-scalar-that-teaches")
class DetachedPenalty(AdversarialLoss):
    """Has a penalty without a gradient."""

    def penalty(self, discriminator: Network, real: Tensor, fake: Tensor) -> Tensor:
        return super().penalty(discriminator, real, fake).detach().requires_grad_()


@breaks("adversarial_losses", "the-penalty-is-a-scalar-that-teaches")
class PenaltyPerImage(AdversarialLoss):
    """Returns one penalty per image."""

    def penalty(self, discriminator: Network, real: Tensor, fake: Tensor) -> Tensor:
        return discriminator(real).square().mean((1, 2, 3))


@breaks("adversarial_losses", "the-penalty-is-a-scalar-that-teaches")
class NegativePenalty(AdversarialLoss):
    """Has a negative penalty."""

    def penalty(self, discriminator: Network, real: Tensor, fake: Tensor) -> Tensor:
        return -discriminator(real).square().mean()


@breaks("adversarial_losses", "draws-from-torch-alone")
class NumpyRandomness(AdversarialLoss):
    """Draws from numpy's random numbers in its penalty."""

    def penalty(self, discriminator: Network, real: Tensor, fake: Tensor) -> Tensor:
        return super().penalty(discriminator, real + float(np.random.rand()), fake)
