"""Check that an exported network gives the same outputs as the generator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cgkit.errors import CheckpointError

_SHAPES_IN_STRIDES = ((1, 2, 3), (3, 3, 2), (2, 5, 4))
"""Small input shapes: the number of images, and their height and width in multiples of the stride."""


@dataclass(frozen=True)
class Comparison:
    """The result of comparing the outputs of two networks.

    Attributes:
        difference: the largest absolute difference between the outputs, over all images and pixels.
        shapes: the shapes of the input images, `(N, C, H, W)`.
    """

    difference: float
    shapes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Reference:
    """Images, `(N, C, H, W)` in [0, 1], and a network's translations of them."""

    images: Tensor
    translations: Tensor


@torch.inference_mode()
def references(network: nn.Module, shapes: tuple[tuple[int, ...], ...]) -> list[Reference]:
    """Translate random images of the given shapes, `(N, C, H, W)`, with a network whose images are in [0, 1]."""
    return [Reference(images, network(images)) for images in _draw_images(shapes)]


@torch.inference_mode()
def compare(
    expected: Iterable[Reference], exported: Callable[[Tensor], Tensor], limit: float, advice: str | None = None
) -> Comparison:
    """Compare the outputs of an exported network with those of the generator.

    Args:
        expected: images, and the generator's outputs.
        exported: the exported network.
        limit: the largest accepted difference.
        advice: what the user can do if the difference is larger.

    Raises:
        CheckpointError: the outputs differ by more than `limit`, or `exported` fails on images of one of the shapes.
    """
    largest = 0.0
    shapes = []
    for reference in expected:
        shape = tuple(reference.images.shape)
        try:
            difference = float((reference.translations - exported(reference.images)).abs().max())
        except Exception as error:  # the runtime of an exported network may raise anything
            raise CheckpointError(f"the exported network fails on images of shape {shape}: {error}") from error
        if not difference <= limit:  # unlike `>`, this also refuses NaN
            raise CheckpointError(
                f"the exported network differs from the generator by {difference:.1e} "
                f"on images of shape {shape}; the limit is {limit:.0e}",
                hint=advice,
            )
        largest = max(largest, difference)
        shapes.append(shape)
    return Comparison(largest, tuple(shapes))


def summarise(comparisons: Sequence[Comparison | None]) -> Comparison | None:
    """Return one comparison for several: the largest difference, and all shapes; None if one was not compared."""
    known = [comparison for comparison in comparisons if comparison is not None]
    if len(known) < len(comparisons) or not known:
        return None
    shapes = dict.fromkeys(shape for comparison in known for shape in comparison.shapes)
    return Comparison(max(comparison.difference for comparison in known), tuple(shapes))


def shapes_to_compare(channels: int, stride: int, size: tuple[int, int]) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of the images to compare networks on: several small images, and one of about training size.

    Args:
        channels: the number of channels of the images.
        stride: the number that height and width must be multiples of.
        size: the height and width of training images; rounded up to multiples of the stride, at least two strides.
    """
    small = [(number, channels, stride * height, stride * width) for number, height, width in _SHAPES_IN_STRIDES]
    height, width = (max(2, -(-side // stride)) * stride for side in size)
    return (*small, (1, channels, height, width))


def _draw_images(shapes: tuple[tuple[int, ...], ...]) -> Iterator[Tensor]:
    """Yield reproducible random images with coarse structure and fine noise, like photographs."""
    rng = torch.Generator().manual_seed(0)
    for number, channels, height, width in shapes:
        coarse = torch.rand(number, channels, 4, 4, generator=rng)
        smooth = F.interpolate(coarse, (height, width), mode="bilinear")
        yield 0.8 * smooth + 0.2 * torch.rand(number, channels, height, width, generator=rng)
