"""Smooth random fields: sums of spline noise, as functions of the place; and the arithmetic of fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
"""Numbers (float32) by place: along a line, or on a grid of rows and columns."""

PERIOD = 64
"""Lattice points after which an octave repeats."""

LATTICES: Field = Generator(PCG64(0)).random((8, PERIOD, PERIOD), dtype=np.float32) * 2 - 1
"""The random numbers that all fields are made of, by octave: a field is an excerpt."""

GAIN = 3.5
"""Brings a sum of octaves to a standard deviation of about 0.6: splines leave a third of that of a lattice."""


def between(rng: Generator, low: float, high: float) -> float:
    """Return one uniform draw."""
    return low + (high - low) * float(rng.random())


def clamp(values: Field, low: float = 0, high: float = 1) -> Field:
    """Return the values, none below or above the bounds."""
    clamped: Field = np.minimum(np.maximum(values, low), high)
    return clamped


def smooth(values: Field) -> Field:
    """Return a smooth step from 0 (at 0 and below) to 1 (at 1 and above)."""
    values = clamp(values)
    return values * values * (3 - 2 * values)


def bend(values: Field) -> Field:
    """Return the values squeezed into (-1, 1), odd and steepest at 0."""
    bent: Field = values / np.sqrt(1 + values * values)
    return bent


def slope(values: Field, step: float) -> Field:
    """Return the derivative along a line whose places are a step apart."""
    rise = np.empty_like(values)
    rise[1:] = (values[1:] - values[:-1]) * (1 / step)
    rise[0] = rise[1]
    return rise


@dataclass(frozen=True)
class Noise:
    """A smooth random function of the plane with values mostly in [-1, 1].

    Quadratic splines over random lattices, summed over octaves: each has half the cell and `fade` times the height of
    the one before.

    Attributes:
        origin: `(2, octaves)`: y and x on each octave's lattice where the plane has its origin.
        cell: height and width of a cell of the first octave.
        fade: the height of an octave relative to the one before.
    """

    origin: Field
    cell: tuple[float, float]
    fade: float

    @classmethod
    def draw(cls, rng: Generator, cell: tuple[float, float], octaves: int = 4, fade: float = 0.5) -> Noise:
        """Draw a field."""
        return cls(rng.random((2, octaves), dtype=np.float32) * PERIOD, cell, fade)

    def on_grid(self, y: Field, x: Field, grain: float) -> Field:
        """Return the field on the grid of rows `y` and columns `x`; details finer than `grain` fade out."""
        total = np.zeros((y.size, x.size), np.float32)
        heights = self._heights(min(self.cell) / grain)
        rows, row_weights = self._spline(0, y, heights)
        columns, column_weights = self._spline(1, x, np.ones_like(heights))
        for octave, lattice in enumerate(LATTICES[: heights.size]):
            # Columns first, on the few lattice rows that matter: what is left for every pixel are whole-row operations.
            first, last = rows[octave, 0].min(), rows[octave, 2].max()
            band = lattice.take(np.arange(first, last + 1), 0, mode="wrap")
            lines = (band.take(columns[octave], 1, mode="wrap") * column_weights[octave]).sum(axis=1)
            for row, weight in zip(rows[octave] - first, row_weights[octave, :, :, None], strict=True):
                total += lines.take(row, 0) * weight
        return total

    def along(self, x: Field, grain: float) -> Field:
        """Return the field along a line."""
        heights = self._heights(self.cell[1] / grain)
        index, weights = self._spline(1, x, heights)
        octave = np.arange(heights.size)
        lines = LATTICES[octave, self.origin[0, : heights.size].astype(np.intp)]
        values: Field = (lines.take(index % PERIOD + (octave * PERIOD)[:, None, None]) * weights).sum(axis=(0, 1))
        return values

    def _heights(self, grains: float) -> Field:
        """Return the height of each octave that is visible, the first cell being so many grains wide."""
        unit = GAIN * (1 - self.fade)
        heights = (unit * self.fade**octave * min(grains / 2**octave - 1, 1) for octave in range(self.origin.shape[1]))
        return np.asarray([height for height in heights if height > 0], np.float32)

    def _spline(self, axis: int, places: Field, heights: Field) -> tuple[NDArray[np.intp], Field]:
        """Return, `(octave, 3, place)`, the lattice points that matter, and how much."""
        octaves = heights.size
        scale = np.asarray([2**octave / self.cell[axis] for octave in range(octaves)], np.float32)
        places = places * scale[:, None] + self.origin[axis, :octaves, None]
        floor = np.floor(places)
        t = places - floor
        rest = 1 - t
        weights = np.empty((octaves, 3, places.shape[1]), np.float32)
        weights[:, 0], weights[:, 1], weights[:, 2] = 0.5 * rest * rest, 0.5 + t * rest, 0.5 * t * t
        weights *= heights[:, None, None]
        return floor.astype(np.intp)[:, None] + np.arange(3)[:, None], weights
