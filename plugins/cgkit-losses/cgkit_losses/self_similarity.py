"""A distance between layouts, based on the self-similarity of edges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor
from torch.nn import functional as F

_MIN_SIDE = 8
"""Minimum side of a scale in pixels; smaller images have hardly any neighbourhoods to compare."""

_FAINT = 0.1
"""Edges well below this fraction of an image's mean edge strength are suppressed."""

_NOISE = 1e-5
"""Edges well below this strength, the square of a slope of about half an 8-bit grey level, are suppressed."""


class SelfSimilarityLoss:
    """Compares the layout of edges within each image, ignoring colours (after Zheng et al., 2021).

    "The spatially-correlative loss for various image translation tasks" compares not the appearance of two images
    but their self-similarity: each position is described by the similarity of its features to those of its neighbours.
    Here the features are fixed and need no download: the structure tensor, i.e. the squares and the product of the
    horizontal and vertical slopes, summed over the channels and averaged over 3 x 3 pixels. The tensor encodes the
    orientation of edges, but not their polarity or colour. It is divided by its norm, so that strong and weak edges
    count the same and only faint edges are suppressed.

    The distance is the mean absolute difference of the similarities, which lie in [0, 1]. Up to rounding and clipping,
    the distance is invariant to changes of brightness and contrast of the whole image. It is computed in at least
    float32, even under autocast.

    Args:
        scales: number of image sizes to compare, each half the previous one; sizes with a side below 8 pixels are
            skipped.
        reach: maximum distance between compared positions, in pixels of the scale along each axis.
    """

    def __init__(self, *, scales: Annotated[int, Ge(1), Le(6)] = 3, reach: Annotated[int, Ge(1), Le(6)] = 2) -> None:
        self.scales = scales
        self.reach = reach

    def __call__(self, reconstruction: Tensor, target: Tensor, /) -> Tensor:
        """Return the distance between two `(N, C, H, W)` batches, in [0, 1].

        Raises:
            ValueError: a side of the images is below 8 pixels.
        """
        height, width = target.shape[-2:]
        if min(height, width) < _MIN_SIDE:
            raise ValueError(f"images of {height}x{width} pixels are too small: both sides need at least {_MIN_SIDE}")
        with torch.autocast(target.device.type, enabled=False):
            pairs = zip(self._similarity_maps(reconstruction), self._similarity_maps(target), strict=True)
            return torch.stack([F.l1_loss(similarities, expected) for similarities, expected in pairs]).mean()

    def _similarity_maps(self, images: Tensor) -> Iterator[Tensor]:
        """Yield, for each scale and offset, the similarity of every position to its neighbour at that offset."""
        images = images.float() if images.dtype in (torch.bfloat16, torch.float16) else images
        for scale in range(self.scales):
            if scale:
                images = F.avg_pool2d(images, 2)
            if min(images.shape[-2:]) < _MIN_SIDE:
                break
            yield from _neighbour_similarities(edges(images), self.reach)


def edges(images: Tensor) -> Tensor:
    """Return the structure tensor at every position, `(N, 3, H - 1, W - 1)`, as vectors of length at most 1."""
    here = images[..., :-1, :-1]
    down, right = images[..., 1:, :-1] - here, images[..., :-1, 1:] - here
    # A structure tensor contains the product of the slopes twice. Because of the factor sqrt(2), the inner product of
    # two vectors nevertheless equals that of the tensors.
    entries = [down.square(), right.square(), 2**0.5 * down * right]
    tensors = F.avg_pool2d(torch.stack([entry.sum(1) for entry in entries], 1), 3, 1, 1, count_include_pad=False)
    squared = tensors.square().sum(1, keepdim=True)
    mean_edge = (tensors[:, :2].sum(1, keepdim=True)).mean((2, 3), keepdim=True)
    return tensors / (squared + (_FAINT * mean_edge).square() + _NOISE**2).sqrt()


def _neighbour_similarities(features: Tensor, reach: int) -> Iterator[Tensor]:
    """Yield the inner products of every position's features with its neighbours', each pair of positions once."""
    height, width = features.shape[-2:]
    for down in range(reach + 1):
        for right in range(-reach, reach + 1):
            if (down, right) > (0, 0):
                centres = features[..., : height - down, max(0, -right) : width - max(0, right)]
                neighbours = features[..., down:, max(0, right) : width - max(0, -right)]
                yield (centres * neighbours).sum(1)
