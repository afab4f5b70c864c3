"""What does not change with the seasons, but for its cover: boulders and a cottage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from cgkit.demo.canvas import Canvas
from cgkit.demo.noise import Field, bend, between, clamp, smooth
from cgkit.demo.palette import Colour, Palette, flat, mixed, shaded
from cgkit.demo.ranks import Kind, Line, Standing


def paint_boulders(palette: Palette, at: Standing) -> tuple[Field, Field]:
    """Return colours and cover of boulders, mossy or snowed up on their tops."""
    right, over = at.across * (1 / 0.8), at.up
    inside = 0.95 - np.sqrt(right * right + over * over) + 0.22 * at.texture
    cover = at.inside(inside) * at.inside(at.up + 0.05)
    light = clamp(0.4 + 0.35 * bend((right * at.sunward + over + 0.9 * at.texture - 0.4) * 3))
    top = smooth((over - 0.4 + 0.35 * at.texture) * 4)
    colours = mixed(shaded(palette.rock, light), shaded(palette.meadow, light), top * (0.3 + 0.65 * palette.snowed))
    return colours, cover


BOULDERS = Kind(spacing=3.0, spread=1.0, depth=0.22, grain=(0.5, 0.6), paint=paint_boulders)


@dataclass(frozen=True)
class Cottage:
    """A red cottage.

    Attributes:
        x: of its middle.
        width: of its front and side together.
        below: how far below the ground's ridge it stands.
    """

    x: float
    width: float
    below: float

    @classmethod
    def draw(cls, rng: Generator) -> Cottage:
        """Draw a cottage."""
        return cls(x=between(rng, -0.34, 0.34), width=between(rng, 0.11, 0.14), below=0.04)

    def foot(self, ground: Line) -> float:
        """Return y of the foot."""
        return float(ground(np.full(1, self.x, np.float32))[0]) + self.below

    def paint(self, canvas: Canvas, palette: Palette, sunward: float, ground: Line) -> None:
        """Paint the cottage on the ground."""
        view, unit = canvas.view, 1 / self.width
        foot = self.foot(ground)
        columns = np.flatnonzero(np.abs(view.x - self.x) < 0.7 * self.width)
        rows = view.rows(foot - self.width, foot)
        if not columns.size:
            return
        u = np.broadcast_to((view.x[columns] - self.x) * (unit * sunward), (view.y[rows].size, columns.size))
        v = np.broadcast_to((foot - view.y[rows][:, None]) * unit, u.shape)

        def lay(*edges: Field, colours: Field | Colour) -> None:
            cover = view.inside(np.minimum.reduce(edges) * self.width)
            canvas.lay(flat(colours) if isinstance(colours, tuple) else colours, cover, rows, columns)

        planks = v * 22 - np.floor(v * 22)
        gable = 0.40 + (0.2 - np.abs(u - 0.3)) * 1.5  # the front looks at the sun
        lay(v, 0.42 - v, u + 0.5, 0.3 - u, colours=shaded(palette.wall, 0.25 * planks))
        lay(v, gable - v, 0.2 - np.abs(u - 0.3), colours=shaded(palette.wall, 0.6 + 0.4 * planks))
        lean = (0.72 - v) * 0.62
        lay(
            0.72 - v,
            v - 0.36,
            u + 0.38 + lean,
            0.3 + lean - u,
            gable - v + 5.4 * clamp(0.3 - u),
            colours=shaded(palette.roof, 1.6 * v - 0.5),
        )
        lay(gable + 0.05 - v, v - gable + 0.03, 0.25 - np.abs(u - 0.3), colours=shaded(palette.roof, v))
        lay(v - 0.6, 0.84 - v, 0.045 - np.abs(u + 0.15), colours=palette.rock[0])
        for middle, half in ((0.3, 0.055), (-0.08, 0.05), (-0.34, 0.05)):
            lay(half - np.abs(u - middle), 0.06 - np.abs(v - 0.22), colours=palette.window)
