"""Smooth random fields: sums of spline noise, as functions of the place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
"""Numbers (float32) by place: along a line, or on a grid of rows and columns."""

PERIOD = 32
"""Lattice points after which a field repeats."""

GAIN = 2.2
"""Brings the sum of smoothed uniform numbers to about [-1, 1]."""


def between(rng: Generator, low: float, high: float) -> float:
    """Return one uniform draw."""
    return low + (high - low) * float(rng.random())


def clamp(values: Field, low: float = 0, high: float = 1) -> Field:
    """Return the values, none below or above the bounds."""
    clamped: Field = np.clip(values, low, high)
    return clamped


def smooth(values: Field) -> Field:
    """Return a smooth step from 0 (at 0 and below) to 1 (at 1 and above)."""
    values = clamp(values)
    return values * values * (3 - 2 * values)


def bend(values: Field) -> Field:
    """Return the values squeezed into (-1, 1), odd and steepest at 0."""
    bent: Field = values / np.sqrt(1 + values * values)
    return bent


@dataclass(frozen=True)
class Noise:
    """A smooth random function of the plane with values of about [-1, 1].

    Quadratic splines over a random lattice, summed over octaves: each has half the cell and `fade` times the height of
    the one before.

    Attributes:
        lattice: `(octaves, PERIOD, PERIOD)` numbers in [-1, 1].
        cell: height and width of a cell of the first octave.
        fade: the height of an octave relative to the one before.
    """

    lattice: Field
    cell: tuple[float, float]
    fade: float = 0.5

    @classmethod
    def draw(cls, rng: Generator, cell: tuple[float, float], octaves: int = 4, fade: float = 0.5) -> Noise:
        """Draw a field."""
        lattice = rng.random((octaves, PERIOD, PERIOD), dtype=np.float32) * 2 - 1
        return cls(lattice, cell, fade)

    def on_grid(self, y: Field, x: Field, grain: float) -> Field:
        """Return the field on the grid of rows `y` and columns `x`, without details finer than `grain`."""
        total = np.zeros((y.size, x.size), np.float32)
        for height, lattice, (cell_y, cell_x) in self._octaves(grain):
            down, along = _spline(y / np.float32(cell_y)), _spline(x / np.float32(cell_x))
            # Columns first, on the small lattice: what is left to do for every pixel are operations on whole rows.
            lines = sum(lattice[:, index] * (weight * height) for index, weight in along)
            for index, weight in down:
                total += np.take(lines, index, axis=0) * weight[:, None]
        return total

    def along(self, x: Field, grain: float) -> Field:
        """Return the field along the line y = 0."""
        return self.on_grid(np.zeros(1, np.float32), x.ravel(), grain).reshape(x.shape)

    def _octaves(self, grain: float) -> list[tuple[np.float32, Field, tuple[float, float]]]:
        octaves = []
        for octave, lattice in enumerate(self.lattice):
            cell = self.cell[0] / 2**octave, self.cell[1] / 2**octave
            if octave == 0 or min(cell) >= grain:
                octaves.append((np.float32(GAIN * (1 - self.fade) * self.fade**octave * 1.6), lattice, cell))
        return octaves


def _spline(places: Field) -> list[tuple[NDArray[np.intp], Field]]:
    """Return the three lattice points that matter at each place, and their weights."""
    floor = np.floor(places)
    index, t = floor.astype(np.intp), places - floor
    weights = 0.5 * (1 - t) * (1 - t), 0.75 - (t - 0.5) * (t - 0.5), 0.5 * t * t
    return [((index + offset) % PERIOD, weight) for offset, weight in enumerate(weights)]
