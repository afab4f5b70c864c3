"""The hinge loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


class HingeLoss:
    """Hinge loss (Lim and Ye, 2017).

    With D the logits, the discriminator minimises E[max(0, 1 - D(real))] + E[max(0, 1 + D(fake))], and the generator
    minimises -E[D(fake)].
    """

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the discriminator's loss."""
        return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return the generator's loss."""
        return -fake_logits.mean()
