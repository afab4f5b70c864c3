"""Windows of an image, and the interface for translating an image window by window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from cgkit.contracts import Size


@dataclass(frozen=True)
class Window:
    """A rectangle of an image: the rows from `top` up to `bottom`, and the columns from `left` up to `right`."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        """The number of rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """The slices that select the window in an array `(H, W)`."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, by: int, height: int, width: int) -> Window:
        """Return the window extended by `by` pixels on each side, but not beyond the border of the image."""
        return Window(
            max(0, self.top - by), min(height, self.bottom + by), max(0, self.left - by), min(width, self.right + by)
        )

    def scaled(self, scale: Fraction) -> Window:
        """Return the same window in a map that is `scale` times as high and wide as the image."""
        edges = [edge * scale for edge in (self.top, self.bottom, self.left, self.right)]
        assert all(edge.denominator == 1 for edge in edges), "the window does not fall on whole pixels"
        return Window(*(int(edge) for edge in edges))

    def crop(self, values: Tensor, outer: Window) -> Tensor:
        """Return the part of `values` that covers this window; `values` are `(..., h, w)` and cover `outer`."""
        top, left = outer.top, outer.left
        return values[..., *Window(self.top - top, self.bottom - top, self.left - left, self.right - left).slices]


Read = Callable[[Window], Tensor]
"""Reads a window of the image and returns it as `(1, C, h, w)`."""

Write = Callable[[Window, Tensor], None]
"""Writes a window of the translation, which it gets as `(1, C, h, w)`."""

Progress = Callable[[float], None]
"""Called with the fraction completed so far, from 0 to 1."""


class WindowTranslator(Protocol):
    """Translates an image of any size window by window, within a bounded amount of memory."""

    def translate(self, read: Read, write: Write, size: Size, *, tile: int | None, progress: Progress) -> None:
        """Translate an image in [-1, 1].

        Args:
            read: reads a window of the image; windows overlap.
            write: writes a window of the translation, on any device; windows are disjoint and cover the image.
            size: height and width, multiples of the generator's stride.
            tile: maximum side of a tile in pixels, or None to choose it automatically.
            progress: called with the completed fraction after each tile.

        Raises:
            ResourceError: the folder for temporary files has too little space or is not writable.
        """


def tiles(size: Size, side: int, alignment: int) -> Iterator[Window]:
    """Yield windows of similar size that cover an image, row by row, each at most about `side` pixels high and wide.

    The edges of the windows, like the height and width of the image, are multiples of `alignment`.
    """
    rows, columns = (_edges(length, side, alignment) for length in size)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            yield Window(top, bottom, left, right)


def pad_to_stride(read: Read, write: Write, size: Size, stride: int) -> tuple[Read, Write, Size]:
    """Wrap functions that read and write an image of any size in [0, 1], for use by a `WindowTranslator`.

    The wrapped functions pad the image to multiples of the stride, as `translation_by` does, and use [-1, 1].

    Args:
        read: reads a window of the image, in [0, 1].
        write: writes a window of the translation, in [0, 1], float32 on the CPU.
        size: height and width of the image in pixels.
        stride: the generator's stride in pixels.

    Returns:
        the arguments `read`, `write` and `size` for `WindowTranslator.translate`.
    """
    height, width = size
    rows, columns = _padded_indices(height, stride), _padded_indices(width, stride)

    def read_padded(window: Window) -> Tensor:
        wanted_rows, wanted_columns = rows[window.slices[0]], columns[window.slices[1]]
        top, left = int(wanted_rows.min()), int(wanted_columns.min())
        pixels = read(Window(top, int(wanted_rows.max()) + 1, left, int(wanted_columns.max()) + 1))
        return pixels[:, :, wanted_rows - top][..., wanted_columns - left] * 2 - 1

    def write_cropped(window: Window, pixels: Tensor) -> None:
        inner = Window(window.top, min(window.bottom, height), window.left, min(window.right, width))
        if inner.height > 0 and inner.width > 0:
            write(inner, ((inner.crop(pixels, window).float() + 1) / 2).clamp(0, 1).cpu())

    return read_padded, write_cropped, (len(rows), len(columns))


def _edges(length: int, side: int, alignment: int) -> list[int]:
    units = length // alignment
    count = max(1, min(units, -(-length // max(side, alignment))))
    return [units * number // count * alignment for number in range(count + 1)]


def _padded_indices(length: int, stride: int) -> Tensor:
    """Return, for each row (or column) of the padded image, the index of the row (or column) of the image to use."""
    padding = -length % stride
    indices = torch.arange(length + padding)
    mirrored = torch.where(indices < length, indices, 2 * (length - 1) - indices)
    return mirrored if padding < length else indices.clamp_max(length - 1)
