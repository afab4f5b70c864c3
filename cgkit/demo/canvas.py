"""The canvas: where its pixels lie in the scene, and how layers are laid on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cgkit.demo.noise import Field, clamp


@dataclass(frozen=True)
class View:
    """The window on a scene: y is 0 at the top and 1 at the bottom, x is 0 in the middle and as long a unit.

    Attributes:
        height: pixels of the picture.
        width: pixels of the picture.
        samples: how many fine rows and columns a pixel is painted with.
    """

    height: int
    width: int
    samples: int

    @cached_property
    def y(self) -> Field:
        """The fine rows."""
        return ((np.arange(self.height * self.samples) + 0.5) * self.pitch).astype(np.float32)

    @cached_property
    def x(self) -> Field:
        """The fine columns."""
        columns = self.width * self.samples
        return ((np.arange(columns) + 0.5 - columns / 2) * self.pitch).astype(np.float32)

    @property
    def pitch(self) -> float:
        """The distance of fine rows."""
        return 1 / (self.height * self.samples)

    @property
    def grain(self) -> float:
        """The distance of the picture's rows."""
        return 1 / self.height

    def rows(self, top: float, bottom: float = 1.0) -> slice:
        """Return the fine rows that cover a band of the scene."""
        rows = self.height * self.samples
        first, last = (round(min(max(place, 0.0), 1.0) * rows) for place in (top, bottom))
        return slice(max(first - 1, 0), min(last + 1, rows))

    def inside(self, distance: Field) -> Field:
        """Return how much of each fine pixel is inside a shape, from the distance to its edge (positive inside)."""
        return clamp(distance * (1 / self.pitch) + 0.5)


class Canvas:
    """A picture in the making, `(3, rows, columns)` of a view."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.pixels = np.zeros((3, view.y.size, view.x.size), np.float32)

    def lay(self, colours: Field, cover: Field, rows: slice, columns: NDArray[np.intp] | None = None) -> None:
        """Lay colours `(3, n, m)` on rows, and on all columns or those given, as far as the cover `(n, m)` is 1."""
        band = self.pixels[:, rows]
        below = band if columns is None else band[:, :, columns]
        below += (colours - below) * cover
        if columns is not None:
            band[:, :, columns] = below

    def picture(self) -> Field:
        """Return the finished picture `(3, height, width)` in [0, 1]."""
        view, samples = self.view, self.view.samples
        total = np.zeros((3, view.height, view.width), np.float32)
        for row in range(samples):
            for column in range(samples):
                total += self.pixels[:, row::samples, column::samples]
        return clamp(total / (samples * samples))
