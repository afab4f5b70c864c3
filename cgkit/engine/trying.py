"""Try out a network without changing it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cgkit.data.randomness import seeded


def try_network(network: nn.Module, image: Tensor) -> Any:
    """Return a network's output in evaluation mode and without gradients; its state does not change."""
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad(), seeded(0):
            return network(image)
    finally:
        network.train(was_training)
