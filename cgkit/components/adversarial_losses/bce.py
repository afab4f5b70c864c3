"""Binary cross-entropy, the adversarial loss of the first GANs and of CycleGAN's equation 1."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


class BinaryCrossEntropyLoss:
    """Binary cross-entropy of real and generated images (Goodfellow et al., 2014; equation 1 of CycleGAN).

    With D the sigmoid of the logits, the discriminator minimises half of -E[log D(real)] - E[log(1 - D(fake))], halved
    as in section 4 of CycleGAN. The generator minimises -E[log D(fake)], which does not saturate.
    """

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the discriminator's loss."""
        return -0.5 * (F.logsigmoid(real_logits).mean() + F.logsigmoid(-fake_logits).mean())

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return the generator's loss."""
        return -F.logsigmoid(fake_logits).mean()
