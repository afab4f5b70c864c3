"""The logistic adversarial loss with the R1 gradient penalty."""

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
    minimises E[softplus(-D(real))] + E[softplus(D(fake))] + gamma/2 E[|gradient of D(real)|^2] (equation 9, R1), and
    the generator minimises the non-saturating E[softplus(-D(fake))]. Only the penalty has a factor of 1/2.

    In the penalty, D is the mean of an image's logits; with several scales, the penalties of the scales are averaged.
    The mean over many patches has a smaller gradient than the logit of each patch, so a gamma tuned for one logit per
    image has little effect on a patch discriminator.

    Args:
        gamma: weight of the penalty, before the factor of 1/2; 10 in the paper, 0 disables the penalty.
    """

    def __init__(self, *, gamma: Annotated[float, Ge(0), Le(10_000)] = 10.0) -> None:
        self.gamma = gamma

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the loss of the discriminator without the penalty."""
        return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return the loss of the generator."""
        return F.softplus(-fake_logits).mean()

    def penalty(self, discriminator: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
        """Return gamma/2 times the mean squared norm of the gradient at the real images; `fake` is not used."""
        if not self.gamma:
            return real.new_zeros(())
        images = real.detach().requires_grad_()
        output = discriminator(images)
        scales = [output] if isinstance(output, Tensor) else output
        penalties = [_squared_gradient_norms(logits, images).mean() for logits in scales]
        return self.gamma / 2 * torch.stack(penalties).mean()


def _squared_gradient_norms(logits: Tensor, images: Tensor) -> Tensor:
    """Return each image's squared norm of the gradient of its mean logit as a differentiable tensor, `(N,)`."""
    means = logits.flatten(1).mean(1)
    (gradients,) = torch.autograd.grad(means.sum(), images, create_graph=True)
    return gradients.square().sum((1, 2, 3))
