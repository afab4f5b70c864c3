"""The adversarial loss that CycleGAN was trained with."""

from __future__ import annotations

from torch import Tensor


class LeastSquaresLoss:
    """Squared distance of the logits to 0 and 1 (Mao et al., 2017).

    The discriminator minimises half of E[(D(real) - 1)^2] + E[D(fake)^2], halved as CycleGAN's section 4 has it; the
    generator E[(D(fake) - 1)^2].
    """

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return what the discriminator minimises."""
        return 0.5 * ((real_logits - 1).square().mean() + fake_logits.square().mean())

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return what the generator minimises."""
        return (fake_logits - 1).square().mean()
