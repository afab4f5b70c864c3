"""An exponential moving average of the generators' weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class MovingAverage:
    """A copy of networks whose weights are a moving average of the trained ones.

    In the first steps t the decay is `(1 + t) / (10 + t)` at most, so that the initial weights fade quickly.
    """

    def __init__(self, networks: nn.Module, decay: float) -> None:
        self.networks = copy.deepcopy(networks).requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, networks: nn.Module, *, when: Tensor) -> None:
        """Move the averages towards the current weights, and copy the buffers.

        Args:
            networks: the trained networks, whose weights are finite.
            when: whether to update, a boolean scalar on the device.
        """
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for weight, current in zip(self.networks.parameters(), networks.parameters(), strict=True):
            weight.lerp_(current, when.to(weight.dtype) * (1 - decay))
        for buffer, newest in zip(self.networks.buffers(), networks.buffers(), strict=True):
            buffer.copy_(torch.where(when, newest, buffer))
