"""The Wasserstein loss, with the penalty that keeps its critic from growing steep."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from cgkit.contracts import Discriminator


class WassersteinLoss:
    """Wasserstein distance with a gradient penalty (Gulrajani et al., 2017).

    The critic of an image is the mean of its logits; with several scales there are as many critics. A critic minimises
    E[D(fake)] - E[D(real)], the generator -E[D(fake)].

    Args:
        gradient_penalty: the weight of the penalty on a critic whose gradient has a norm other than 1; 10 in the paper.
    """

    def __init__(self, *, gradient_penalty: Annotated[float, Ge(0), Le(1000)] = 10.0) -> None:
        self.gradient_penalty = gradient_penalty

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return what the discriminator minimises."""
        return fake_logits.mean() - real_logits.mean()

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return what the generator minimises."""
        return -fake_logits.mean()

    def penalty(self, discriminator: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
        """Return the weighted mean of (|gradient| - 1)^2, each image's at a random place between real and made."""
        if not self.gradient_penalty:
            return real.new_zeros(())
        # Drawn on the CPU, so that the places are the same on every device.
        shares = torch.rand(len(real), 1, 1, 1, dtype=real.dtype, device="cpu").to(real.device)
        images = torch.lerp(real.detach(), fake.detach(), shares).requires_grad_()
        judgement = discriminator(images)
        scales = [judgement] if isinstance(judgement, Tensor) else judgement
        penalties = [(_gradient_norms(logits, images) - 1).square().mean() for logits in scales]
        return self.gradient_penalty * torch.stack(penalties).mean()


def _gradient_norms(logits: Tensor, images: Tensor) -> Tensor:
    """Return for each image the norm of the gradient of its mean logit, itself differentiable."""
    critics = logits.flatten(1).mean(1)
    (gradients,) = torch.autograd.grad(critics.sum(), images, create_graph=True)
    norms: Tensor = torch.linalg.vector_norm(gradients, dim=(1, 2, 3))
    return norms
