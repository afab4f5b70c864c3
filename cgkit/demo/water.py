"""A lake: it mirrors what stands behind it, and freezes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from cgkit.demo.canvas import Canvas
from cgkit.demo.noise import Noise, smooth
from cgkit.demo.palette import Palette, mixed


@dataclass(frozen=True)
class Lake:
    """A lake.

    Attributes:
        shore: y of the far shore.
        ripples: the texture of the water, or of the snow on its ice.
    """

    shore: float
    ripples: Noise

    @classmethod
    def draw(cls, rng: Generator, shore: float) -> Lake:
        """Draw a lake."""
        return cls(shore, Noise.draw(rng, (0.02, 0.3), octaves=3, fade=0.6))

    def paint(self, canvas: Canvas, palette: Palette) -> None:
        """Paint the lake and all below it, mirroring what has been painted."""
        view = canvas.view
        rows = view.rows(self.shore)
        y = view.y[rows]
        ripples = self.ripples.on_grid(y, view.x, view.grain)
        mirror = np.maximum(2 * rows.start - np.arange(rows.start, rows.stop) - 1, 0)
        reflection = canvas.pixels[:, mirror]
        clear = palette.reflection * (1 + 0.35 * ripples)
        colours = mixed(palette.water, reflection, clear)
        frozen = (0.75 * palette.snowed) * smooth(ripples * 1.5 - 0.1)
        colours = mixed(colours, palette.snow[1], frozen)
        edge = smooth((y - self.shore) * 60)[:, None] * 0.8 + 0.2
        canvas.lay(colours, np.broadcast_to(edge, ripples.shape), rows)
