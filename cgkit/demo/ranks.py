"""Ranks: things that stand in a line over the ground, each in a cell of its own, painted all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cgkit.demo.canvas import Canvas, View
from cgkit.demo.noise import Field, Noise, smooth
from cgkit.demo.palette import Palette, flat, mixed

Line = Callable[[Field], Field]
"""A function of x: y of the ground, or how densely things stand."""

HAZY = 0.15
"""From this haze on, shadows are not to be seen."""

CELLS = 64
"""Cells after which a rank repeats."""


@dataclass(frozen=True)
class Standing:
    """Where pixels are on the things of a rank; a row of numbers is one by column.

    Attributes:
        view: the window on the scene.
        across: how far right of the middle, in heights; a row.
        up: how far above the foot, in heights; a grid.
        height: in units of the scene; a row.
        texture: a random field; a grid.
        tone: a random number in [0, 1] of each thing; a row.
        sunward: 1 where the sun is to the right, -1 where it is to the left.
    """

    view: View
    across: Field
    up: Field
    height: Field
    texture: Field
    tone: Field
    sunward: float

    def inside(self, distance: Field) -> Field:
        """Return the cover of a shape, from the distance to its edge in heights."""
        return self.view.inside(distance * self.height)


@dataclass(frozen=True)
class Kind:
    """What can stand in ranks.

    Attributes:
        spacing: the distance of one to the next, in heights.
        spread: half the width of one and of its shadow, in heights.
        depth: half the depth of the shadow, in heights.
        grain: height and width of the texture's cells, in heights.
        paint: returns the colours and the cover.
    """

    spacing: float
    spread: float
    depth: float
    grain: tuple[float, float]
    paint: Callable[[Palette, Standing], tuple[Field, Field]]


@dataclass(frozen=True)
class Rank:
    """A rank of things of one kind.

    Attributes:
        kind: what stands there.
        height: of the tallest.
        offset: how far below the ground's ridge they stand.
        haze: how much of them the distance hides.
        present: whether there is one, by cell.
        size: height relative to the tallest, by cell.
        shift: how far from the middle of the cell, in cells, by cell.
        tone: a random number, by cell.
        texture: their surface.
    """

    kind: Kind
    height: float
    offset: float
    haze: float
    present: Field
    size: Field
    shift: Field
    tone: Field
    texture: Noise

    @classmethod
    def draw(cls, rng: Generator, kind: Kind, height: float, offset: float, haze: float, density: Line) -> Rank:
        """Draw a rank; `density` says by x how likely each cell is taken."""
        draws = rng.random((4, CELLS), dtype=np.float32)
        middle = (np.arange(CELLS, dtype=np.float32) - CELLS // 2 + 0.5) * (height * kind.spacing)
        texture = Noise.draw(rng, (height * kind.grain[0], height * kind.grain[1]), octaves=4, fade=0.68)
        size = 0.55 + 0.45 * draws[1]
        shift = (2 * draws[2] - 1) * (0.5 - kind.spread / kind.spacing * size)
        return cls(kind, height, offset, haze, draws[0] < density(middle), size, shift, draws[3], texture)

    def paint(self, canvas: Canvas, palette: Palette, sunward: float, ground: Line) -> None:
        """Paint the rank on the ground, with its shadows."""
        view, spacing = canvas.view, self.height * self.kind.spacing
        cell = np.floor(view.x / spacing)
        index = (cell.astype(np.intp) + CELLS // 2) % CELLS
        columns = np.flatnonzero(self.present[index])
        if not columns.size:
            return
        cell, index, x = cell[columns], index[columns], view.x[columns]
        centre, height = (cell + 0.5 + self.shift[index]) * spacing, self.size[index] * self.height
        foot = ground(centre) + self.offset
        rows = view.rows(float((foot - 1.1 * height).min()), float(foot.max()) + self.height * 0.15)
        y = view.y[rows]
        if not y.size:
            return
        at = Standing(
            view,
            across=(x - centre) / height,
            up=(foot - y[:, None]) / height,
            height=height,
            texture=self.texture.on_grid(y, x, view.grain),
            tone=self.tone[index],
            sunward=sunward,
        )
        if self.haze < HAZY:
            self._cast_shadows(canvas, palette, at, rows, columns)
        colours, cover = self.kind.paint(palette, at)
        canvas.lay(mixed(colours, palette.haze, self.haze), cover, rows, columns)

    def _cast_shadows(
        self, canvas: Canvas, palette: Palette, at: Standing, rows: slice, columns: NDArray[np.intp]
    ) -> None:
        """Darken the ground at the feet: the sun stands behind the scene."""
        width, height = self.kind.spread, self.kind.depth
        skipped = int((at.up > height).all(axis=1).sum())
        across = (at.across + 0.3 * width * at.sunward) * (1 / width)
        down = (at.up[skipped:] + height * 0.6) * (1 / height)
        shadow = smooth((1 - across * across - down * down) * 1.2) * (0.5 * (1 - self.haze))
        below = slice(rows.start + skipped, rows.stop)
        canvas.lay(flat(palette.shadow), shadow, below, columns)
