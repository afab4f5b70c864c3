"""The contracts of losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


@runtime_checkable
class AdversarialLoss(Protocol):
    """Built as `(*, options)`. Logits are float32 (or float64) tensors of any shape; all results are scalars.

    Optional method:
        penalty(discriminator, real, fake): returns a scalar that is added to the discriminator's loss. `real` and
            `fake` are float32 image batches of equal shape. `discriminator` may be called with images any number of
            times and differentiated twice.

    Optional attribute:
        wants_real_logits: true if the generator's loss compares generated with real images. The engine then calls
            `generator_loss(fake_logits, real_logits)`.
    """

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the loss that the discriminator minimises, including any constant factor, such as 1/2 in CycleGAN."""

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return the loss that the generator minimises."""


class ReconstructionLoss(Protocol):
    """Built as `(*, options)`: a distance between two image batches of equal shape in [-1, 1]."""

    def __call__(self, reconstruction: Tensor, target: Tensor, /) -> Tensor:
        """Return the distance, a scalar that is zero for equal batches."""
