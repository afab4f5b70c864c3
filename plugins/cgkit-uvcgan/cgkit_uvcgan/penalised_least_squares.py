"""The adversarial loss of UVCGAN and UVCGANv2."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor

from cgkit.components.adversarial_losses.least_squares import LeastSquaresLoss
from cgkit.contracts import Discriminator


class PenalisedLeastSquaresLoss(LeastSquaresLoss):
    """Least squares with the gradient penalty of UVCGANv2 (around zero) or UVCGAN (around 100).

    To the losses of CycleGAN (Mao et al., 2017) the discriminator's gains a penalty on the gradient of its judgement of
    images at random places between real and made ones. With a `centre` of zero it is `gradient_penalty` times
    E[|gradient|^2], as UVCGANv2 has it (arXiv 2303.16280); with another, `gradient_penalty` times
    E[(|gradient| - centre)^2 / centre^2] (as Karras et al., 2018, have it), of which UVCGAN takes 0.1 and a centre of
    100, with the patches' sum as the judgement.

    Args:
        gradient_penalty: the weight of the penalty; 1 with UVCGANv2 on CelebA-HQ, 0.1 with UVCGAN.
        centre: the norm that the gradient is drawn to; 0 with UVCGANv2, 100 with UVCGAN.
        patches: whether an image's judgement is the "mean" of its logits (UVCGANv2) or their "sum" (UVCGAN).
    """

    def __init__(
        self,
        *,
        gradient_penalty: Annotated[float, Ge(0), Le(1000)] = 1.0,
        centre: Annotated[float, Ge(0), Le(1e6)] = 0.0,
        patches: Literal["mean", "sum"] = "mean",
    ) -> None:
        self.gradient_penalty = gradient_penalty
        self.centre = centre
        self.patches = patches

    def penalty(self, discriminator: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
        """Return the weighted mean of the penalty over the images, and over the scales where there are several."""
        if not self.gradient_penalty:
            return real.new_zeros(())
        # Drawn on the CPU, so that the places are the same on every device.
        shares = torch.rand(len(real), 1, 1, 1, dtype=real.dtype, device="cpu").to(real.device)
        images = torch.lerp(real.detach(), fake.detach(), shares).requires_grad_()
        judgement = discriminator(images)
        scales = [judgement] if isinstance(judgement, Tensor) else judgement
        penalties = [self._departure(self._gradients(logits, images)).mean() for logits in scales]
        return self.gradient_penalty * torch.stack(penalties).mean()

    def _gradients(self, logits: Tensor, images: Tensor) -> Tensor:
        """Return for each image the gradient of its judgement as a vector, itself differentiable."""
        judgements = logits.flatten(1).mean(1) if self.patches == "mean" else logits.flatten(1).sum(1)
        (gradients,) = torch.autograd.grad(judgements.sum(), images, create_graph=True)
        return gradients.flatten(1)

    def _departure(self, gradients: Tensor) -> Tensor:
        """Return for each image how far its gradient's norm is from the centre."""
        if not self.centre:
            return gradients.square().sum(1)
        norms: Tensor = torch.linalg.vector_norm(gradients, dim=1)
        return (norms / self.centre - 1).square()
