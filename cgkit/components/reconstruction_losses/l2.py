"""The L2 loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


class L2Loss:
    """Mean squared difference."""

    def __call__(self, reconstruction: Tensor, target: Tensor, /) -> Tensor:
        """Return the distance between two `(N, C, H, W)` batches."""
        return F.mse_loss(reconstruction, target)
