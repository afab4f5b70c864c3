"""The logistic adversarial loss, with a penalty on the discriminator's slope at real images."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor
from torch.nn import functional as F

from cgkit.contracts import Discriminator


class SoftplusR1Loss:
    """Logistic loss with a gradient penalty on real images (Mescheder et al., 2018).

    "Which training methods for GANs do actually converge?", with softplus(x) = log(1 + exp(x)): the discriminator
    minimises E[softplus(-D(real))] + E[softplus(D(fake))] + gamma/2 E[|gradient of D(real)|^2] (equation 9, R1), the
    generator E[softplus(-D(fake))], which does not saturate. Nothing is halved but gamma.

    The penalty sees the discriminator as one number an image, the mean of its logits; with several scales it is the
    mean of the scales' penalties. A mean over many patches is flatter than each of them, so that a gamma that is
    right for one logit an image is mild for a patch discriminator.

    Args:
        gamma: the weight of the penalty; 10 in the paper, 0 for none.
    """

    def __init__(self, *, gamma: Annotated[float, Ge(0), Le(10_000)] = 10.0) -> None:
        self.gamma = gamma

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return what the discriminator minimises, without the penalty."""
        return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return what the generator minimises."""
        return F.softplus(-fake_logits).mean()

    def penalty(self, discriminator: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
        """Return gamma/2 times the mean squared norm of the gradient at real images; made ones do not matter."""
        if not self.gamma:
            return real.new_zeros(())
        images = real.detach().requires_grad_()
        judgement = discriminator(images)
        scales = [judgement] if isinstance(judgement, Tensor) else judgement
        steepness = [_squared_slopes(logits, images).mean() for logits in scales]
        return self.gamma / 2 * torch.stack(steepness).mean()


def _squared_slopes(logits: Tensor, images: Tensor) -> Tensor:
    """Return for each image the squared norm of the gradient of its mean logit, itself differentiable."""
    judgements = logits.flatten(1).mean(1)
    (gradients,) = torch.autograd.grad(judgements.sum(), images, create_graph=True)
    return gradients.square().sum((1, 2, 3))
