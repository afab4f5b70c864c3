"""Whether an exported network still computes what the generator computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cgkit.errors import CheckpointError

LIMIT = 1e-4
"""The largest difference that is let pass, in [0, 1]: a fortieth of a level of 8 bits."""

_IN_STRIDES = ((1, 2, 3), (3, 3, 2), (2, 5, 4))
"""Images, and their height and width in strides: one and several, high and wide, odd multiples and even ones."""


class OnUnitRange(nn.Module):
    """A generator as a function from images in [0, 1] to images in [0, 1], float32."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator.float().eval()

    def forward(self, images: Tensor) -> Tensor:
        """Translate `(N, C, H, W)`."""
        translations: Tensor = self.generator(images * 2 - 1)
        return ((translations + 1) / 2).clamp(0, 1)


@dataclass(frozen=True)
class Comparison:
    """How far two networks were apart.

    Attributes:
        difference: the largest, over all images and pixels.
        shapes: those of the images, `(N, C, H, W)`.
    """

    difference: float
    shapes: tuple[tuple[int, ...], ...]


@torch.inference_mode()
def compare(network: nn.Module, other: Callable[[Tensor], Tensor], shapes: tuple[tuple[int, ...], ...]) -> Comparison:
    """Compare what two networks make of images of those shapes.

    Raises:
        CheckpointError: they are further apart than `LIMIT`, or the other one cannot take such images.
    """
    largest = 0.0
    for images in _images(shapes):
        try:
            made = other(images)
        except Exception as error:  # whatever runs an exported network raises anything
            raise CheckpointError(f"the export cannot take images of {tuple(images.shape)}: {error}") from error
        difference = float((network(images) - made).abs().max())
        if not difference <= LIMIT:  # nan, too
            raise CheckpointError(
                f"the export is {difference:.1e} from the generator on images of {tuple(images.shape)}, "
                f"more than {LIMIT:.0e}"
            )
        largest = max(largest, difference)
    return Comparison(largest, shapes)


def shapes_to_compare(channels: int, stride: int, size: tuple[int, int]) -> tuple[tuple[int, ...], ...]:
    """Return the shapes to compare on: small ones of several kinds, and that of training, or what is just above it."""
    small = [(number, channels, stride * height, stride * width) for number, height, width in _IN_STRIDES]
    height, width = (max(2, -(-side // stride)) * stride for side in size)
    return (*small, (1, channels, height, width))


def _images(shapes: tuple[tuple[int, ...], ...]) -> Iterator[Tensor]:
    """Yield images with broad shapes and fine noise, as photographs have, the same ones every time."""
    draws = torch.Generator().manual_seed(0)
    for number, channels, height, width in shapes:
        coarse = torch.rand(number, channels, 4, 4, generator=draws)
        smooth = F.interpolate(coarse, (height, width), mode="bilinear")
        yield 0.8 * smooth + 0.2 * torch.rand(number, channels, height, width, generator=draws)
