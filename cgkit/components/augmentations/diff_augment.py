"""Differentiable augmentation of a discriminator's input."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability
from cgkit.contracts import Role

_GREY = 0.5
"""The value that fills gaps and holes. The published code uses 0 for images in [-1, 1], which is 0.5 in [0, 1]."""


class DiffAugment(nn.Module):
    """Differentiable colour, translation and cutout before the discriminator (Zhao et al., 2020).

    The ranges are those of the published code for "Differentiable augmentation for data-efficient GAN training",
    rescaled to [0, 1]. Each image of a batch has its own random draws, which are made on the CPU so that they are the
    same on every device. As in the published code, nothing is clamped: colours can leave [0, 1], and every pixel that
    is not cut off has a gradient.

    Args:
        colour: whether to shift brightness by up to 0.25 and multiply saturation by 0 to 2 and contrast by 0.5 to 1.5.
        translation: the largest shift, as a fraction of height and width; the gap is filled with grey.
        cutout: height and width of the grey hole as a fraction of the image's height and width; the hole may
            extend beyond the border.
        p: the probability that an image is changed.
    """

    role: Role = "adversarial"

    def __init__(
        self,
        *,
        colour: bool = True,
        translation: Annotated[float, Ge(0), Le(1)] = 0.125,
        cutout: Annotated[float, Ge(0), Le(1)] = 0.5,
        p: Probability = 1.0,
    ) -> None:
        super().__init__()
        self.colour = colour
        self.translation = translation
        self.cutout = cutout
        self.p = p

    @staticmethod
    def draw(count: int) -> Tensor:
        """Return the draws for `count` images, on the CPU, so that a CUDA graph can read them from fixed memory."""
        return torch.rand(8, count, 1, 1, 1, device="cpu")

    def forward(self, images: Tensor, draws: Tensor | None = None) -> Tensor:
        """Augment images `(N, C, H, W)`, each with its own draws, preserving their dtype.

        Args:
            images: in [0, 1], but values beyond are allowed.
            draws: the result of `draw`, on the device of the images; by default they are drawn now.
        """
        if draws is None:  # all draws are copied to the device in one transfer, without waiting for it to finish
            draws = self.draw(len(images)).to(images.device, non_blocking=True)
        changed = images
        if self.colour:
            changed = _recolour(changed, *draws[0:3].to(images.dtype))
        if self.translation:
            changed = _translate(changed, *draws[3:5], share=self.translation)
        if self.cutout:
            changed = _cut_out(changed, *draws[5:7], share=self.cutout)
        return torch.where(draws[7] < self.p, changed, images)


def _recolour(images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    images = images + (brightness - 0.5) / 2
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (2 * saturation)
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * (contrast + 0.5)


def _translate(images: Tensor, down: Tensor, right: Tensor, *, share: float) -> Tensor:
    height, width = images.shape[-2:]
    rows = _positions(images, -2) - _shift(down, height, share)
    columns = _positions(images, -1) - _shift(right, width, share)
    outside = (rows < 0) | (rows >= height) | (columns < 0) | (columns >= width)
    # Because indices wrap around, every pixel is read exactly once. Otherwise, gradients would be sums, and the order
    # of summation could vary.
    sources = (rows % height * width + columns % width).flatten(2).expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, sources).reshape(images.shape).masked_fill(outside, _GREY)


def _cut_out(images: Tensor, row: Tensor, column: Tensor, *, share: float) -> Tensor:
    rows, height = _positions_in_hole(images, -2, row, share)
    columns, width = _positions_in_hole(images, -1, column, share)
    hole = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return images.masked_fill(hole, _GREY)


def _positions(images: Tensor, dimension: int) -> Tensor:
    """Return the pixel indices along a dimension, in a shape that broadcasts against the images."""
    positions = torch.arange(images.shape[dimension], device=images.device)
    return positions[:, None] if dimension == -2 else positions


def _shift(draw: Tensor, side: int, share: float) -> Tensor:
    """Return uniformly distributed shifts in pixels for draws in [0, 1)."""
    limit = int(side * share + 0.5)
    return (draw * (2 * limit + 1)).long() - limit


def _positions_in_hole(images: Tensor, dimension: int, draw: Tensor, share: float) -> tuple[Tensor, int]:
    """Return each pixel's position along a dimension relative to the start of each hole, and the holes' length."""
    side = images.shape[dimension]
    length = int(side * share + 0.5)
    middle = (draw * (side + 1 - length % 2)).long()
    return _positions(images, dimension) - middle + length // 2, length
