"""Windows of an image, and translating an image window by window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Window:
    """Rows and columns, each from the first to the one after the last."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        """How many rows there are."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """How many columns there are."""
        return self.right - self.left

    def grown(self, by: int, height: int, width: int) -> Window:
        """Return the window with `by` more on each side, as far as the image reaches."""
        return Window(
            max(0, self.top - by), min(height, self.bottom + by), max(0, self.left - by), min(width, self.right + by)
        )

    def scaled(self, scale: Fraction) -> Window:
        """Return where the window lies in a map that is `scale` times as high and wide."""
        edges = [edge * scale for edge in (self.top, self.bottom, self.left, self.right)]
        assert all(edge.denominator == 1 for edge in edges), "the window does not fall on whole pixels"
        return Window(*(int(edge) for edge in edges))

    def cut_out_of(self, outer: Window, values: Tensor) -> Tensor:
        """Return this window of `(..., h, w)`, which shows the outer one."""
        return values[
            ...,
            self.top - outer.top : self.bottom - outer.top,
            self.left - outer.left : self.right - outer.left,
        ]


Pixels = Callable[[Window], Tensor]
"""From a window of an image to its pixels, `(1, C, h, w)` in [0, 1]."""

Take = Callable[[Window, Tensor], None]
"""Takes a window of a translation and its pixels, `(1, C, h, w)` in [0, 1], float32 on the CPU."""


class Windowed(Protocol):
    """What translates an image window by window; its height and width are multiples of the generator's stride."""

    def translate(
        self, read: Pixels, write: Take, size: tuple[int, int], *, tile: int | None, progress: Callable[[float], None]
    ) -> None:
        """Translate an image in [-1, 1]."""


def translate_windows(
    generator: Windowed,
    stride: int,
    pixels: Pixels,
    take: Take,
    size: tuple[int, int],
    *,
    tile: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> None:
    """Translate an image of any size window by window, padded and cropped as `translation_by` does.

    Args:
        generator: what translates.
        stride: its height and width are made multiples of.
        pixels: gives windows of the image.
        take: takes windows of the translation.
        size: height and width.
        tile: pixels a side of the windows; by default as it suits the generator.
        progress: is told the share that is done.
    """
    height, width = size
    rows, columns = _padded(height, stride), _padded(width, stride)

    def read(window: Window) -> Tensor:
        wanted_rows, wanted_columns = rows[window.top : window.bottom], columns[window.left : window.right]
        top, left = int(wanted_rows.min()), int(wanted_columns.min())
        inner = pixels(Window(top, int(wanted_rows.max()) + 1, left, int(wanted_columns.max()) + 1))
        return inner[:, :, wanted_rows - top][..., wanted_columns - left] * 2 - 1

    def write(window: Window, made: Tensor) -> None:
        inner = Window(window.top, min(window.bottom, height), window.left, min(window.right, width))
        if inner.height > 0 and inner.width > 0:
            take(inner, ((inner.cut_out_of(window, made).float() + 1) / 2).clamp(0, 1).cpu())

    generator.translate(read, write, (len(rows), len(columns)), tile=tile, progress=progress)


def _padded(length: int, stride: int) -> Tensor:
    """Return which row, or column, of an image lies at each place of the padded one."""
    more = -length % stride
    places = torch.arange(length + more)
    mirrored = torch.where(places < length, places, 2 * (length - 1) - places)
    return mirrored if more < length else places.clamp_max(length - 1)
