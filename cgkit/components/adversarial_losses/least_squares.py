"""The least-squares loss, with which CycleGAN was trained."""

from __future__ import annotations

from torch import Tensor


class LeastSquaresLoss:
    """Squared distance of the logits from 1 for real and from 0 for generated images (Mao et al., 2017).

    With D the logits, the discriminator minimises (E[(D(real) - 1)^2] + E[D(fake)^2]) / 2, halved as in section 4 of
    the CycleGAN paper. The generator minimises E[(D(fake) - 1)^2].
    """

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the discriminator's loss."""
        return 0.5 * ((real_logits - 1).square().mean() + fake_logits.square().mean())

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return the generator's loss."""
        return (fake_logits - 1).square().mean()
