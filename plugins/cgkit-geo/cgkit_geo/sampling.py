"""Translating a scene in overlapping windows whose norms use common statistics, and how far windows must overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from cgkit.contracts import FileModel, Statistics
from cgkit.errors import DataError

SIDE = 1024
"""The side of a window in pixels, without the surroundings that are translated with it."""

MARGINS = (64, 128, 256)
"""How many pixels around a window may be translated with it; the smallest is chosen that suffices."""

LONGEST = 512
"""The margin with which the others are compared."""

SHIFT = 64
TOLERANCE = 1e-4
"""How much a translation may differ from that with the longest margin, of values in [0, 1]."""

MOST_NOISE = 1 / 64
"""How much two translations with about the longest margin may differ, such as with bf16."""


@dataclass(frozen=True)
class Box:
    """A rectangle of a scene, from a row and a column up to others."""

    top: int
    left: int
    bottom: int
    right: int

    def contains(self, other: Box) -> bool:
        """Return whether another box is within this one."""
        starts = self.top <= other.top and self.left <= other.left
        return starts and self.bottom >= other.bottom and self.right >= other.right

    def inside(self, outer: Box) -> tuple[slice, slice]:
        """Return the rows and the columns of this box in what another box covers."""
        top, left = self.top - outer.top, self.left - outer.left
        return slice(top, top + self.bottom - self.top), slice(left, left + self.right - self.left)

    def grown(self, before: int, after: int, size: tuple[int, int]) -> Box:
        """Return the box with more pixels above and to the left, and below and to the right, within the scene."""
        top, left = max(0, self.top - before), max(0, self.left - before)
        return Box(top, left, min(size[0], self.bottom + after), min(size[1], self.right + after))


Read = Callable[[Box], Tensor]
"""Reads a box of the scene as `(C, h, w)` in [0, 1]."""


def boxes(size: tuple[int, int], side: int) -> list[Box]:
    """Return the boxes that cover a scene row by row, each as high and wide as `side`, less at the end."""
    rows, columns = (range(0, length, side) for length in size)
    return [Box(top, left, min(top + side, size[0]), min(left + side, size[1])) for top in rows for left in columns]


class Windows:
    """Translates a scene window by window.

    Args:
        model: the model.
        read: reads a box of the scene.
        size: the height and width of the scene.
    """

    def __init__(self, model: FileModel, read: Read, size: tuple[int, int]) -> None:
        self._model = model
        self._read = read
        self._size = size
        self._statistics: Statistics = model.statistics()
        self._margin = LONGEST

    @property
    def side(self) -> int:
        """The side of a window: a smaller one takes less memory if its surroundings are large."""
        return SIDE if self._margin <= MARGINS[1] else SIDE // 2

    def prepare(self, sampled: Sequence[Box]) -> None:
        """Collect the statistics over boxes of the scene, and find the margin.

        Raises:
            DataError: no margin suffices, or the model scales images.
        """
        for box in sampled:
            image = self._read(box)
            with self._statistics.collecting():
                translation = self._model.translate(image[None])
            if translation.shape[-2:] != image.shape[-2:]:
                raise DataError(
                    "is translated in windows, so it cannot have another size", hint="leave out --size and --max-side"
                )
        self._margin = max(self._needed(Box(box.top, box.left, *_end(box))) for box in sampled[:2])

    def outer(self, box: Box) -> Box:
        """Return the box that must be read to translate a box."""
        return box.grown(self._margin, self._margin, self._size)

    def translate(self, box: Box) -> Tensor:
        """Return the translation of a box, `(C, h, w)`."""
        return self._with_margin(box, self._margin, self._margin)

    def _with_margin(self, box: Box, before: int, after: int) -> Tensor:
        outer = box.grown(before, after, self._size)
        with self._statistics.frozen():
            return self._model.translate(self._read(outer)[None])[0][:, *box.inside(outer)]

    def _needed(self, box: Box) -> int:
        """Return the smallest margin with which the translation of a box is as with the longest one."""
        expected = self._with_margin(box, LONGEST, LONGEST)
        shifted = self._with_margin(box, LONGEST + SHIFT, LONGEST - SHIFT)
        noise = float((shifted - expected).abs().max())
        for margin in MARGINS:
            difference = float((self._with_margin(box, margin, margin) - expected).abs().max())
            if difference <= max(TOLERANCE, 2 * noise):
                return margin
        if noise > MOST_NOISE:
            raise DataError(
                f"cannot be translated in windows: each pixel depends on others more than {LONGEST} pixels away",
                hint="translate it with --statistics-from 0, exactly or with --tiling thumbnail",
            )
        return LONGEST


def sample(candidates: Sequence[Box], count: int, share_of_values: Callable[[Box], float]) -> list[Box]:
    """Return boxes spread over a scene, those with the most pixels that have values first."""
    steps = np.linspace(0, len(candidates) - 1, min(len(candidates), 4 * count)).round().astype(int)
    spread = [candidates[step] for step in dict.fromkeys(steps.tolist())]
    return sorted(spread, key=share_of_values, reverse=True)[:count]


def _end(box: Box) -> tuple[int, int]:
    """Return the end of the part of a box on which margins are compared."""
    return min(box.bottom, box.top + SIDE // 4), min(box.right, box.left + SIDE // 4)


def in_order(candidates: Sequence[Box], progress: Callable[[float], None]) -> Iterator[Box]:
    """Yield boxes, and report the share of those that are done."""
    for number, box in enumerate(candidates):
        yield box
        progress((number + 1) / len(candidates))


__all__ = ["SIDE", "Box", "Windows", "boxes", "in_order", "sample"]
