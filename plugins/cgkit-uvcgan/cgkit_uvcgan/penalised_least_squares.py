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

    CycleGAN's least-squares losses (Mao et al., 2017) are combined with a penalty on the gradient of the
    discriminator's score at random interpolations between real and fake images. If `centre` is zero, the penalty is
    `gradient_penalty` times E[|gradient|^2] as in UVCGANv2 (arXiv 2303.16280); otherwise it is `gradient_penalty` times
    E[(|gradient| - centre)^2 / centre^2] (Karras et al., 2018). UVCGAN uses a `gradient_penalty` of 0.1, a `centre` of
    100, and the sum of an image's logits as its score.

    Args:
        gradient_penalty: weight of the penalty; 1 for UVCGANv2 on CelebA-HQ, 0.1 for UVCGAN.
        centre: target norm of the gradient; 0 for UVCGANv2, 100 for UVCGAN.
        patches: whether the score of an image is the "mean" of its logits (UVCGANv2) or their "sum" (UVCGAN).
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
        """Return the penalty, averaged over images and scales and multiplied by `gradient_penalty`."""
        if not self.gradient_penalty:
            return real.new_zeros(())
        # The weights are drawn on the CPU, so that the interpolations are the same on every device.
        weights = torch.rand(len(real), 1, 1, 1, dtype=real.dtype, device="cpu").to(real.device)
        images = torch.lerp(real.detach(), fake.detach(), weights).requires_grad_()
        output = discriminator(images)
        scales = [output] if isinstance(output, Tensor) else output
        penalties = [self._deviation(self._gradients(logits, images)).mean() for logits in scales]
        return self.gradient_penalty * torch.stack(penalties).mean()

    def _gradients(self, logits: Tensor, images: Tensor) -> Tensor:
        """Return the gradient of each image's score as a differentiable tensor, `(N, C * H * W)`."""
        scores = logits.flatten(1).mean(1) if self.patches == "mean" else logits.flatten(1).sum(1)
        (gradients,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
        return gradients.flatten(1)

    def _deviation(self, gradients: Tensor) -> Tensor:
        """Return each gradient norm's squared deviation from the centre, relative to the centre unless that is zero."""
        if not self.centre:
            return gradients.square().sum(1)
        norms: Tensor = torch.linalg.vector_norm(gradients, dim=1)
        return (norms / self.centre - 1).square()
