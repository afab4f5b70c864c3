"""The Wasserstein loss with its gradient penalty."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from cgkit.contracts import Discriminator


class WassersteinLoss:
    """Wasserstein distance with a gradient penalty (Gulrajani et al., 2017).

    The critic's score D of an image is the mean of its logits; each scale of the discriminator is a separate critic. A
    critic minimises E[D(fake)] - E[D(real)], and the generator minimises -E[D(fake)].

    Args:
        gradient_penalty: the weight of the penalty on gradient norms other than 1; 10 in the paper, 0 disables it.
    """

    def __init__(self, *, gradient_penalty: Annotated[float, Ge(0), Le(1000)] = 10.0) -> None:
        self.gradient_penalty = gradient_penalty

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the discriminator's loss without the penalty."""
        return fake_logits.mean() - real_logits.mean()

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return the generator's loss."""
        return -fake_logits.mean()

    def penalty(self, discriminator: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
        """Return the weighted mean of (|gradient| - 1)^2 at random points between real and generated images."""
        if not self.gradient_penalty:
            return real.new_zeros(())
        # The weights are drawn on the CPU, so that the points are the same on every device.
        shares = torch.rand(len(real), 1, 1, 1, dtype=real.dtype, device="cpu").to(real.device)
        images = torch.lerp(real.detach(), fake.detach(), shares).requires_grad_()
        outputs = discriminator(images)
        scales = [outputs] if isinstance(outputs, Tensor) else outputs
        penalties = [(_gradient_norms(logits, images) - 1).square().mean() for logits in scales]
        return self.gradient_penalty * torch.stack(penalties).mean()


def _gradient_norms(logits: Tensor, images: Tensor) -> Tensor:
    """Return the norm of the gradient of each image's mean logit as a differentiable tensor, `(N,)`."""
    critics = logits.flatten(1).mean(1)
    (gradients,) = torch.autograd.grad(critics.sum(), images, create_graph=True)
    norms: Tensor = torch.linalg.vector_norm(gradients, dim=(1, 2, 3))
    return norms
