"""The relativistic average adversarial loss."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F


class RelativisticAverageLoss:
    """Compares each logit with the mean logit of the opposite class (Jolicoeur-Martineau, 2018).

    "The relativistic discriminator: a key element missing from standard GAN". A relative logit is the logit minus
    the mean logit of the opposite class (real or fake) over the batch and all positions:
    R(real) = D(real) - E[D(fake)], and R(fake) = D(fake) - E[D(real)].

    - "least-squares" (RaLSGAN): the discriminator minimises (E[(R(real) - 1)^2] + E[(R(fake) + 1)^2]) / 2, and the
      generator minimises the same expression with -1 and +1 swapped.
    - "bce" (RaSGAN): the discriminator minimises -(E[log s(R(real))] + E[log(1 - s(R(fake)))]) / 2, where s is the
      sigmoid, and the generator minimises the same expression with real and fake swapped.

    In both forms, the discriminator's and the generator's losses are halved, as in the author's published code but not
    in the paper. The generator gets gradients from both terms. Adding a constant to all logits does not change the
    loss, so zero does not separate real from fake.

    Args:
        form: the loss that is computed from the relative logits.
    """

    wants_real_logits = True

    def __init__(self, *, form: Literal["least-squares", "bce"] = "least-squares") -> None:
        self.form = form

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the loss of the discriminator."""
        return self._loss(higher=real_logits, lower=fake_logits)

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor) -> Tensor:
        """Return the loss of the generator."""
        return self._loss(higher=fake_logits, lower=real_logits)

    def _loss(self, *, higher: Tensor, lower: Tensor) -> Tensor:
        """Return a loss that is small if `higher` exceeds the mean of `lower` and `lower` is below that of `higher`."""
        above, below = higher - lower.mean(), lower - higher.mean()
        if self.form == "bce":
            return -0.5 * (F.logsigmoid(above).mean() + F.logsigmoid(-below).mean())
        return 0.5 * ((above - 1).square().mean() + (below + 1).square().mean())
