"""Binary cross-entropy, the adversarial loss of the first GANs and of equation 1 of the CycleGAN paper."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


class BinaryCrossEntropyLoss:
    """Binary cross-entropy of real and generated images (Goodfellow et al., 2014; equation 1 of CycleGAN).

    D is the sigmoid of the logits. The discriminator minimises -(E[log D(real)] + E[log(1 - D(fake))]) / 2, halved as
    in section 4 of the CycleGAN paper. The generator minimises -E[log D(fake)], the non-saturating form.
    """

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the discriminator's loss."""
        return -0.5 * (F.logsigmoid(real_logits).mean() + F.logsigmoid(-fake_logits).mean())

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return the generator's loss."""
        return -F.logsigmoid(fake_logits).mean()
