"""The canvas: the coordinates of its pixels, and the blending of layers onto it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cgkit.contracts import Size
from cgkit.demo.noise import Field, clamp
from cgkit.demo.palette import Palette


class Canvas:
    """A picture in progress, painted at twice its resolution.

    The coordinate y is 0 at the top of the scene and 1 at the bottom; x has the same unit and is 0 in the middle.

    Attributes:
        grain: the side length of a pixel of the finished picture; finer details are not painted.
        pitch: the distance between adjacent painted rows, and between adjacent columns.
        y: the y of each painted row.
        x: the x of each painted column.
        pixels: the colours, `(3, rows, columns)`.
    """

    def __init__(self, size: Size) -> None:
        rows, columns = 2 * size[0], 2 * size[1]
        self.grain = 1 / size[0]
        self.pitch = 1 / rows
        self.y: Field = ((np.arange(rows) + 0.5) * self.pitch).astype(np.float32)
        self.x: Field = ((np.arange(columns) + 0.5 - columns / 2) * self.pitch).astype(np.float32)
        self.pixels = np.zeros((3, rows, columns), np.float32)

    def rows(self, top: float, bottom: float = 1.0) -> slice:
        """Return the painted rows that cover the band from y = `top` to y = `bottom`."""
        first, last = (round(min(max(y, 0.0), 1.0) * self.y.size) for y in (top, bottom))
        return slice(max(first - 1, 0), min(last + 1, self.y.size))

    def coverage(self, distance: Field) -> Field:
        """Return the fraction of each painted pixel inside a shape.

        Args:
            distance: the distance of each pixel to the edge of the shape, positive inside.
        """
        return clamp(distance * (1 / self.pitch) + 0.5)

    def blend(self, colours: Field, cover: Field, rows: slice, columns: NDArray[np.intp] | None = None) -> None:
        """Blend colours `(3, n, m)` with opacity `cover` `(n, m)` onto `rows`, in all columns or only in `columns`."""
        band = self.pixels[:, rows]
        below = band if columns is None else band[:, :, columns]
        below += (colours - below) * cover
        if columns is not None:
            band[:, :, columns] = below

    def picture(self) -> Field:
        """Return the finished picture, `(3, height, width)` in [0, 1]."""
        columns = self.pixels[:, :, 0::2] + self.pixels[:, :, 1::2]
        return clamp((columns[:, 0::2] + columns[:, 1::2]) * 0.25)


@dataclass(frozen=True)
class Painting:
    """The inputs shared by all layers of a scene.

    Attributes:
        canvas: the canvas to paint on.
        palette: the colours of the season.
        rng: the scene's random number generator. Each layer draws the same numbers at every size and in both seasons.
        sun: the coordinates of the sun, (y, x).
    """

    canvas: Canvas
    palette: Palette
    rng: Generator
    sun: tuple[float, float]

    @property
    def sunward(self) -> float:
        """1 if the sun is on the right, -1 if it is on the left."""
        return 1.0 if self.sun[1] > 0 else -1.0
