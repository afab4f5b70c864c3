"""Edges stay where they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cgkit.contracts import Given, Need


class Edges(nn.Module):
    """Mean absolute difference between the edges of a source and of its translation.

    An edge is the length of the Sobel gradient, with the channels averaged, divided by its mean over the image; so
    contrast does not matter, only where the edges are.
    """

    needs: tuple[Need, ...] = ("translation",)
    kernels: Tensor

    def __init__(self) -> None:
        super().__init__()
        horizontal = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
        self.register_buffer("kernels", torch.stack([horizontal, horizontal.T])[:, None] / 8)

    def forward(self, given: Given) -> Tensor:
        """Return the difference, a scalar."""
        assert given.translation is not None
        with torch.autocast(given.source.device.type, enabled=False):
            return F.l1_loss(self._find_edges(given.translation), self._find_edges(given.source))

    def _find_edges(self, images: Tensor) -> Tensor:
        grey = F.pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
        slopes = F.conv2d(grey, self.kernels.to(grey.dtype))
        lengths = (slopes.square().sum(1, keepdim=True) + 1e-8).sqrt()
        return lengths / (lengths.mean((-2, -1), keepdim=True) + 1e-3)
