"""A distance of layout: where the edges of an image repeat themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor
from torch.nn import functional as F

_SMALLEST = 8
"""The least side of a scale that is compared: below it there is no neighbourhood left to speak of."""

_FAINT = 0.1
"""Edges well below this share of an image's mean edge hardly count."""

_NOISE = 1e-5
"""The same for an image without edges: the square of a slope of about half a grey level in 255."""


class SelfSimilarityLoss:
    """Whether edges lie alike within both images, whatever their colours (after Zheng et al., 2021).

    "The spatially-correlative loss for various image translation tasks" compares not what two images look like but
    how each resembles itself: a place is described by how similar its features are to those of its neighbours. Here
    the features are fixed and need no download: the structure tensor, that is the squares and the product of the
    horizontal and vertical slope, summed over the channels and averaged over 3 x 3 pixels. It knows how edges run but
    not which side of them is lighter, nor how they are coloured. It is divided by its own length, so that strong and
    weak edges count alike, and faint ones hardly.

    The distance is the mean absolute difference of the similarities, which lie between 0 and 1. It does not change
    where brightness or contrast change all over an image, up to rounding and to clipping. Computed in float32 or
    more, whatever autocast says.

    Args:
        scales: how many sizes are compared, each half of the one before; sides below 8 pixels are left out.
        reach: how many pixels apart, in each direction, two places of one scale are still compared.
    """

    def __init__(self, *, scales: Annotated[int, Ge(1), Le(6)] = 3, reach: Annotated[int, Ge(1), Le(6)] = 2) -> None:
        self.scales = scales
        self.reach = reach

    def __call__(self, reconstruction: Tensor, target: Tensor, /) -> Tensor:
        """Return the distance, between 0 and 1, of two `(N, C, H, W)` batches.

        Raises:
            ValueError: the images are smaller than 8 pixels.
        """
        height, width = target.shape[-2:]
        if min(height, width) < _SMALLEST:
            raise ValueError(f"images of {height}x{width} pixels do not fit: both sides must be at least {_SMALLEST}")
        with torch.autocast(target.device.type, enabled=False):
            pairs = zip(self._maps(reconstruction), self._maps(target), strict=True)
            return torch.stack([(one - other).abs().mean() for one, other in pairs]).mean()

    def _maps(self, images: Tensor) -> Iterator[Tensor]:
        """Yield for each scale and each neighbour a map of how much a place resembles that neighbour."""
        images = images.float() if images.dtype in (torch.bfloat16, torch.float16) else images
        for scale in range(self.scales):
            if scale:
                images = F.avg_pool2d(images, 2)
            if min(images.shape[-2:]) < _SMALLEST:
                break
            yield from _resemblances(edges(images), self.reach)


def edges(images: Tensor) -> Tensor:
    """Return the structure tensor at every place, `(N, 3, H - 1, W - 1)`, as a vector no longer than 1."""
    here = images[..., :-1, :-1]
    down, right = images[..., 1:, :-1] - here, images[..., :-1, 1:] - here
    # The root of 2 makes the vectors' inner product that of the tensors, which have the product twice.
    entries = [down.square(), right.square(), 2**0.5 * down * right]
    tensors = F.avg_pool2d(torch.stack([entry.sum(1) for entry in entries], 1), 3, 1, 1, count_include_pad=False)
    squared = tensors.square().sum(1, keepdim=True)
    mean_edge = (tensors[:, :2].sum(1, keepdim=True)).mean((2, 3), keepdim=True)
    return tensors / (squared + (_FAINT * mean_edge).square() + _NOISE**2).sqrt()


def _resemblances(features: Tensor, reach: int) -> Iterator[Tensor]:
    """Yield the inner products of every place with its neighbours, each pair of places once."""
    height, width = features.shape[-2:]
    for down in range(reach + 1):
        for right in range(-reach, reach + 1):
            if (down, right) > (0, 0):
                one = features[..., : height - down, max(0, -right) : width - max(0, right)]
                other = features[..., down:, max(0, right) : width - max(0, -right)]
                yield (one * other).sum(1)
