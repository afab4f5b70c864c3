"""Whether an exported network computes the same as the generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cgkit.errors import CheckpointError

LIMIT = 1e-4
"""Largest accepted difference in [0, 1]: a fortieth of an 8-bit level."""

_SHAPES_IN_STRIDES = ((1, 2, 3), (3, 3, 2), (2, 5, 4))
"""Number of images, height and width in strides: single and batched, tall and wide, odd and even multiples."""


class OnUnitRange(nn.Module):
    """A generator as a float32 function from images in [0, 1] to images in [0, 1]."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator.float().eval()

    def forward(self, images: Tensor) -> Tensor:
        """Translate `(N, C, H, W)`."""
        translations: Tensor = self.generator(images * 2 - 1)
        return ((translations + 1) / 2).clamp(0, 1)


@dataclass(frozen=True)
class Comparison:
    """The difference between the outputs of two networks.

    Attributes:
        difference: the largest absolute difference over all images and pixels.
        shapes: shapes of the compared images, `(N, C, H, W)`.
    """

    difference: float
    shapes: tuple[tuple[int, ...], ...]


@torch.inference_mode()
def compare(network: nn.Module, other: Callable[[Tensor], Tensor], shapes: tuple[tuple[int, ...], ...]) -> Comparison:
    """Compare the outputs of two networks on images of the given shapes.

    Raises:
        CheckpointError: the outputs differ by more than `LIMIT`, or `other` fails on such images.
    """
    largest = 0.0
    for images in _draw_images(shapes):
        try:
            translations = other(images)
        except Exception as error:  # the runtime of an exported network may raise anything
            raise CheckpointError(f"the export fails on images of shape {tuple(images.shape)}: {error}") from error
        difference = float((network(images) - translations).abs().max())
        if not difference <= LIMIT:  # also true for nan
            raise CheckpointError(
                f"the export differs from the generator by {difference:.1e} on images of shape {tuple(images.shape)}; "
                f"the limit is {LIMIT:.0e}"
            )
        largest = max(largest, difference)
    return Comparison(largest, shapes)


def shapes_to_compare(channels: int, stride: int, size: tuple[int, int]) -> tuple[tuple[int, ...], ...]:
    """Return the shapes to compare on: several small ones, and the training size rounded up to the stride."""
    small = [(number, channels, stride * height, stride * width) for number, height, width in _SHAPES_IN_STRIDES]
    height, width = (max(2, -(-side // stride)) * stride for side in size)
    return (*small, (1, channels, height, width))


def _draw_images(shapes: tuple[tuple[int, ...], ...]) -> Iterator[Tensor]:
    """Yield reproducible random images with coarse structure and fine noise, as photographs have."""
    rng = torch.Generator().manual_seed(0)
    for number, channels, height, width in shapes:
        coarse = torch.rand(number, channels, 4, 4, generator=rng)
        smooth = F.interpolate(coarse, (height, width), mode="bilinear")
        yield 0.8 * smooth + 0.2 * torch.rand(number, channels, height, width, generator=rng)
