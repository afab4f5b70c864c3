"""An exponential moving average of the generators' weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class MovingAverage:
    """A copy of networks that holds the moving averages of their weights.

    At update t, the decay is at most `(1 + t) / (10 + t)`, so that the initial weights are soon forgotten.
    """

    def __init__(self, networks: nn.Module, decay: float) -> None:
        self.networks = copy.deepcopy(networks).requires_grad_(False)
        self.decay = decay
        self.updates = 0
        device = next((weight.device for weight in networks.parameters()), torch.device("cpu"))
        self._share = torch.zeros((), dtype=torch.float64, device=device)
        """The share of the current weights in the next average; on the device, so that a CUDA graph can read it."""

    def advance(self) -> None:
        """Count an update, before `update`; the decay depends on the number of updates."""
        self.updates += 1
        self._share.fill_(1 - min(self.decay, (1 + self.updates) / (10 + self.updates)))

    @torch.no_grad()
    def update(self, networks: nn.Module, *, when: Tensor) -> None:
        """Move the averages towards the current weights and copy the buffers, if `when` is true.

        Args:
            networks: the trained networks; their weights must be finite even if `when` is false.
            when: a boolean scalar on the device.
        """
        weights = list(self.networks.parameters())
        shares = {dtype: (self._share * when).to(dtype) for dtype in {weight.dtype for weight in weights}}
        for weight, current in zip(weights, networks.parameters(), strict=True):
            weight.lerp_(current, shares[weight.dtype])
        for buffer, newest in zip(self.networks.buffers(), networks.buffers(), strict=True):
            buffer.copy_(torch.where(when, newest, buffer))
