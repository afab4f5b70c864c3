"""Smooth random functions on the plane, and arithmetic on their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
"""float32 values along a line, or on a grid of rows and columns."""

PERIOD = 64
"""Number of lattice points after which an octave repeats."""

LATTICES: Field = Generator(PCG64(0)).random((8, PERIOD, PERIOD), dtype=np.float32) * 2 - 1
"""The lattice of each octave, shared by all noise: each `Noise` only shifts and scales it."""

GAIN = 3.5
"""The factor that brings sums of octaves to a standard deviation of about 0.6; splines flatten the random lattices."""


def between(rng: Generator, low: float, high: float) -> float:
    """Draw a number uniformly from `low` to `high`."""
    return low + (high - low) * float(rng.random())


def clamp(values: Field, low: float = 0, high: float = 1) -> Field:
    """Return the values, limited to the range from `low` to `high`."""
    clamped: Field = np.minimum(np.maximum(values, low), high)
    return clamped


def smooth(values: Field) -> Field:
    """Return a smooth step of the values: 0 below 0, 1 above 1, and a cubic in between."""
    values = clamp(values)
    return values * values * (3 - 2 * values)


def bend(values: Field) -> Field:
    """Return an odd sigmoid of the values, between -1 and 1 and steepest at 0."""
    bent: Field = values / np.sqrt(1 + values * values)
    return bent


def slope(values: Field, step: float) -> Field:
    """Return the derivative of the values along the last axis, whose samples are `step` apart."""
    rise = np.empty_like(values)
    rise[..., 1:] = (values[..., 1:] - values[..., :-1]) * (1 / step)
    rise[..., :1] = rise[..., 1:2]
    return rise


@dataclass(frozen=True)
class Noise:
    """A smooth random function on the plane, with values mostly in [-1, 1].

    It is a sum of octaves. Each octave is a quadratic spline over a random lattice, with half the cell size and
    `fade` times the amplitude of the previous octave.

    Attributes:
        origins: the position (y, x) of the plane's origin on each lattice, `(octaves, 2)`.
        cell: height and width of a lattice cell of the first octave.
        fade: the amplitude of an octave relative to the previous one.
    """

    origins: Field
    cell: tuple[float, float]
    fade: float

    @classmethod
    def draw(cls, rng: Generator, cell: tuple[float, float], octaves: int = 4, fade: float = 0.5) -> Noise:
        """Draw a random function."""
        return cls(rng.random((octaves, 2), dtype=np.float32) * PERIOD, cell, fade)

    def on_grid(self, y: Field, x: Field, grain: float) -> Field:
        """Return the values on the grid of rows `y` and columns `x`; details finer than `grain` fade out."""
        total = np.zeros((y.size, x.size), np.float32)
        amplitudes = self._visible_amplitudes(grain)
        octaves = len(amplitudes)
        scales = (1 << np.arange(octaves)).astype(np.float32)[:, None]
        rows, row_weights = _spline(y * (scales / self.cell[0]) + self.origins[:octaves, :1])
        columns, column_weights = _spline(x * (scales / self.cell[1]) + self.origins[:octaves, 1:])
        for octave, amplitude in enumerate(amplitudes):
            # Interpolate along x first, on the few lattice rows needed, so that the rest of the work is on whole rows.
            first = rows[0, octave].min()
            band = LATTICES[octave].take(np.arange(first, rows[2, octave].max() + 1), 0, mode="wrap")
            lines = (band.take(columns[:, octave], 1, mode="wrap") * column_weights[:, octave]).sum(axis=1)
            for row, weight in zip(rows[:, octave] - first, row_weights[:, octave] * amplitude, strict=True):
                total += lines.take(row, 0) * weight[:, None]
        return total

    def _visible_amplitudes(self, grain: float) -> list[float]:
        """Return the amplitudes of the octaves whose cells are larger than `grain`."""
        amplitude, cell, amplitudes = GAIN * (1 - self.fade), min(self.cell), []
        for _ in range(min(len(self.origins), len(LATTICES))):
            if cell > grain:
                amplitudes.append(amplitude * min(cell / grain - 1, 1))
            amplitude, cell = self.fade * amplitude, cell / 2
        return amplitudes

    def along(self, x: Field, grain: float) -> Field:
        """Return the values at positions `x` on the line y = 0."""
        values: Field = self.on_grid(np.zeros(1, np.float32), x, grain)[0]
        return values


def _spline(positions: Field) -> tuple[NDArray[np.intp], Field]:
    """Return the three lattice points that affect each position, `(3, *positions.shape)`, and their spline weights."""
    floor = np.floor(positions)
    t = positions - floor
    rest = 1 - t
    points = floor.astype(np.intp)
    return np.stack([points, points + 1, points + 2]), np.stack([0.5 * rest * rest, 0.5 + t * rest, 0.5 * t * t])
