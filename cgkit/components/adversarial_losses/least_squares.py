"""The least-squares loss that CycleGAN was trained with."""

from __future__ import annotations

from torch import Tensor


class LeastSquaresLoss:
    """Squared distance of the logits to 1 for real and 0 for generated images (Mao et al., 2017).

    The discriminator minimises half of E[(D(real) - 1)^2] + E[D(fake)^2], halved as in section 4 of CycleGAN. The
    generator minimises E[(D(fake) - 1)^2].
    """

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the discriminator's loss."""
        return 0.5 * ((real_logits - 1).square().mean() + fake_logits.square().mean())

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return the generator's loss."""
        return (fake_logits - 1).square().mean()
