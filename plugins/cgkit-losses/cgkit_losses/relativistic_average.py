"""The adversarial loss in which real and made images are judged against each other."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F


class RelativisticAverageLoss:
    """How much more real than the average of the other kind (Jolicoeur-Martineau, 2018).

    "The relativistic discriminator: a key element missing from standard GAN". A logit is seen relative to the mean
    logit of the other kind, over the batch and all places: R(real) = D(real) - E[D(fake)], and
    R(fake) = D(fake) - E[D(real)].

    - "least-squares" (RaLSGAN): the discriminator minimises half of E[(R(real) - 1)^2] + E[(R(fake) + 1)^2], the
      generator the same with the signs of 1 exchanged.
    - "bce" (RaSGAN): the discriminator minimises half of -E[log s(R(real))] - E[log(1 - s(R(fake)))], s being the
      sigmoid; the generator the same with real and fake exchanged.

    Both losses of both forms are halved, as in the author's published code; the paper's equations are not. The
    generator learns from both terms. Logits with the same number added to all of them have the same loss: they have no
    zero that separates real from made.

    Args:
        form: how a relative logit becomes a loss.
    """

    wants_real_logits = True

    def __init__(self, *, form: Literal["least-squares", "bce"] = "least-squares") -> None:
        self.form = form

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return what the discriminator minimises."""
        return self._loss(higher=real_logits, lower=fake_logits)

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor) -> Tensor:
        """Return what the generator minimises."""
        return self._loss(higher=fake_logits, lower=real_logits)

    def _loss(self, *, higher: Tensor, lower: Tensor) -> Tensor:
        """Return how far the one kind is from being judged higher than the other."""
        above, below = higher - lower.mean(), lower - higher.mean()
        if self.form == "bce":
            return -0.5 * (F.logsigmoid(above).mean() + F.logsigmoid(-below).mean())
        return 0.5 * ((above - 1).square().mean() + (below + 1).square().mean())
