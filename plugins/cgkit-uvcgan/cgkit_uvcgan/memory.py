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

    def recall(self, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return the places for features as `(capacity, channels, *size)`, the newest first, and which are taken.

        The second is 1 for a place that is taken and 0 for one that is free, as `(capacity, 1, 1, 1)`: to leave the
        free ones out here, a GPU would have to be waited for at every step.
        """
        places = torch.arange(len(self.features), device=self.features.device)
        taken = (places < self.count).to(self.features.dtype)
        return _scaled(self.features, size), taken[:, None, None, None]


def _scaled(features: Tensor, size: tuple[int, int]) -> Tensor:
    if features.shape[-2:] == size:
        return features
    return F.interpolate(features, size, mode="bilinear")
