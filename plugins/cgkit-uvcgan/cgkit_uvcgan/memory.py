"""A memory of features of the images that a discriminator was last trained on."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FeatureMemory(nn.Module):
    """The most recent features of images of one kind, real or fake, in buffers of fixed shapes.

    Args:
        capacity: maximum number of images whose features are stored.
        channels: number of channels of a feature map.
        size: height and width of a feature map; maps of other sizes are resized when stored and recalled.
    """

    features: Tensor
    count: Tensor

    def __init__(self, capacity: int, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("features", torch.zeros(capacity, channels, *size))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        return int(self.count)

    @torch.no_grad()
    def remember(self, features: Tensor) -> None:
        """Prepend features `(N, channels, h, w)` and drop the oldest features beyond the capacity."""
        capacity, _, height, width = self.features.shape
        newest = _resize(features.detach().to(self.features.dtype), (height, width))
        self.features.copy_(torch.cat((newest, self.features))[:capacity])
        self.count.add_(len(newest)).clamp_(max=capacity)

    def recall(self, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return all slots as `(capacity, channels, *size)`, newest first, and a mask of the occupied slots.

        The mask is 1 for occupied and 0 for free slots, as `(capacity, 1, 1, 1)`. Selecting the occupied slots here
        would synchronise with the GPU at every step.
        """
        slots = torch.arange(len(self.features), device=self.features.device)
        mask = (slots < self.count).to(self.features.dtype)
        return _resize(self.features, size), mask[:, None, None, None]


def _resize(features: Tensor, size: tuple[int, int]) -> Tensor:
    if features.shape[-2:] == size:
        return features
    return F.interpolate(features, size, mode="bilinear")
