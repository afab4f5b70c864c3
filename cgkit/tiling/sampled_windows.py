"""Translating an image in overlapping windows whose norms use statistics of some of them: for images of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from cgkit.contracts import Size
from cgkit.errors import DataError
from cgkit.tiling.norm_statistics import Statistics
from cgkit.tiling.windows import Progress, Window

SIDE = 1024
"""The side of a window in pixels, without the surroundings that are translated with it."""

SAMPLE = 1024
"""The side of a window over which statistics are collected."""

MARGINS = (64, 128, 256)
"""How many pixels around a window may be translated with it; the smallest is chosen that suffices."""

LONGEST = 512
"""The margin with which the others are compared."""

SHIFT = 64
TOLERANCE = 1e-4
"""How much a translation may differ from that with the longest margin, of values in [0, 1]."""

MOST_NOISE = 1 / 64
"""How much two translations with about the longest margin may differ, such as with bf16."""


class SampledWindows:
    """Translates an image in windows. Sides and margins are multiples of any generator's stride.

    Args:
        translate: translates a batch `(N, C, H, W)` in [0, 1], each image whole.
        read: reads a window of the image as `(C, h, w)` in [0, 1].
        size: the height and width of the image.
        weight: returns how much of a window has values, from 0 for nothing to 1. Statistics are those of the windows
            with the most values; windows without any are written as zeros.
    """

    def __init__(
        self,
        translate: Callable[[Tensor], Tensor],
        read: Callable[[Window], Tensor],
        size: Size,
        weight: Callable[[Window], float],
    ) -> None:
        self._translate = translate
        self._read = read
        self._size = size
        self._weight = weight
        self._statistics = Statistics()
        self._margin = LONGEST

    def translate(self, write: Callable[[Window, Tensor], None], samples: int, progress: Progress) -> None:
        """Translate all windows, and write them, each `(C, h, w)` in [0, 1].

        Args:
            write: writes a window.
            samples: the number of windows, spread over the image, over which to collect statistics.
            progress: called with the fraction completed so far.

        Raises:
            DataError: no margin suffices, or the translation has another size than the image.
        """
        sampled = self._sample(_cover(self._size, SAMPLE), samples)
        channels = self._collect(sampled)
        self._margin = max(self._needed(_corner(window)) for window in sampled[:2])
        # Smaller windows take less memory if their surroundings are large.
        windows = _cover(self._size, SIDE if self._margin <= MARGINS[1] else SIDE // 2)
        for number, window in enumerate(windows):
            outer = window.grown(self._margin, *self._size)
            image = self._read(outer)  # before its weight, so that the surroundings of a window are read only once
            if self._weight(window) > 0:
                write(window, self._translate_frozen(image, window, outer))
            else:
                write(window, torch.zeros(channels, window.height, window.width))
            progress((number + 1) / len(windows))

    def _sample(self, windows: Sequence[Window], count: int) -> list[Window]:
        """Return windows spread over the image, those with the most values first."""
        steps = np.linspace(0, len(windows) - 1, min(len(windows), 4 * count)).round().astype(int)
        spread = [windows[step] for step in dict.fromkeys(steps.tolist())]
        return sorted(spread, key=self._weight, reverse=True)[:count]

    def _collect(self, windows: Sequence[Window]) -> int:
        """Collect the statistics over windows; return the number of channels of translations."""
        channels = 0
        for window in windows:
            image = self._read(window)
            with self._statistics.collecting():
                translation = self._translate(image[None])[0]
            check_size(translation, image.shape[-2:])
            channels = len(translation)
        return channels

    def _needed(self, window: Window) -> int:
        """Return the smallest margin with which the translation of a window is as with the longest one."""
        expected = self._with_surroundings(window, LONGEST, LONGEST)
        shifted = self._with_surroundings(window, LONGEST + SHIFT, LONGEST - SHIFT)
        noise = float((shifted - expected).abs().max())
        for margin in MARGINS:
            difference = float((self._with_surroundings(window, margin, margin) - expected).abs().max())
            if difference <= max(TOLERANCE, 2 * noise):
                return margin
        if noise > MOST_NOISE:
            raise DataError(
                f"cannot be translated in windows: each pixel depends on others more than {LONGEST} pixels away",
                hint="translate it with --statistics-from 0, exactly or with --tiling thumbnail",
            )
        return LONGEST

    def _with_surroundings(self, window: Window, before: int, after: int) -> Tensor:
        height, width = self._size
        outer = Window(
            max(0, window.top - before),
            min(height, window.bottom + after),
            max(0, window.left - before),
            min(width, window.right + after),
        )
        return self._translate_frozen(self._read(outer), window, outer)

    def _translate_frozen(self, image: Tensor, window: Window, outer: Window) -> Tensor:
        with self._statistics.frozen():
            return window.crop(self._translate(image[None])[0], outer)


def check_size(translation: Tensor, size: Sequence[int]) -> None:
    """Raise a `DataError` if the translation of a window has another height and width than the window."""
    if tuple(translation.shape[-2:]) != tuple(size):
        hint = "leave out --size and --max-side"
        raise DataError("is translated in windows, so it cannot have another size", hint=hint)


def _cover(size: Size, side: int) -> list[Window]:
    """Return windows that cover an image row by row, each as high and wide as `side`, less at the end."""
    rows, columns = (range(0, length, side) for length in size)
    return [Window(top, min(top + side, size[0]), left, min(left + side, size[1])) for top in rows for left in columns]


def _corner(window: Window) -> Window:
    """Return the part of a window on which margins are compared."""
    bottom, right = min(window.bottom, window.top + SIDE // 4), min(window.right, window.left + SIDE // 4)
    return Window(window.top, bottom, window.left, right)
