"""Features of the images that a discriminator saw last."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FeatureMemory(nn.Module):
    """The newest features of a kind of images, at most `capacity` of them; kept in buffers of a fixed shape.

    Args:
        capacity: how many images' features are kept.
        channels: channels of a feature map.
        size: height and width of a feature map; maps of another size are scaled to it, and back when recalled.
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
        """Put features `(N, channels, h, w)` before those that are kept; what exceeds the capacity is forgotten."""
        capacity, _, height, width = self.features.shape
        newest = _scaled(features.detach().to(self.features.dtype), (height, width))
        self.features.copy_(torch.cat((newest, self.features))[:capacity])
        self.count.add_(len(newest)).clamp_(max=capacity)

    def recall(self, size: tuple[int, int]) -> Tensor:
        """Return what is kept as `(n, channels, *size)`, the newest first."""
        return _scaled(self.features[: len(self)], size)


def _scaled(features: Tensor, size: tuple[int, int]) -> Tensor:
    if features.shape[-2:] == size:
        return features
    return F.interpolate(features, size, mode="bilinear")
