"""The L1 loss, with which CycleGAN was trained."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


class L1Loss:
    """Mean absolute difference."""

    def __call__(self, reconstruction: Tensor, target: Tensor, /) -> Tensor:
        """Return the distance between two `(N, C, H, W)` batches."""
        return F.l1_loss(reconstruction, target)
