"""Mountains: ridges with lit and shaded faces, snow where the season lets it lie, fading into the haze."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from cgkit.demo.canvas import Canvas, View
from cgkit.demo.noise import Field, Noise, bend, between, clamp, slope, smooth
from cgkit.demo.palette import Palette, mixed, shaded

MARGIN = 0.3
"""How far beyond the picture's sides a range is computed: its spurs come down into the picture."""


@dataclass(frozen=True)
class Mountains:
    """One range.

    Attributes:
        foot: y of the range's foot.
        height: how far peaks rise above it.
        haze: how much of it the distance hides.
        massif: its peaks and passes.
        crags: the finer shape of the ridge.
        relief: how irregular the faces are.
        spurs: what runs down them to the left, and to the right.
    """

    foot: float
    height: float
    haze: float
    massif: Noise
    crags: Noise
    relief: Noise
    spurs: tuple[Noise, Noise]

    @classmethod
    def draw(cls, rng: Generator, foot: float, height: float, haze: float) -> Mountains:
        """Draw a range."""
        height *= between(rng, 0.75, 1.15)
        massif = Noise.draw(rng, (1.0, between(rng, 0.4, 0.6)), octaves=2)
        crags = Noise.draw(rng, (1.0, 0.2), octaves=6, fade=0.55)
        relief = Noise.draw(rng, (0.08, 0.1), octaves=5, fade=0.58)
        spurs = Noise.draw(rng, (1.0, 0.2), octaves=5), Noise.draw(rng, (1.0, 0.2), octaves=5)
        return cls(foot, height, haze, massif, crags, relief, spurs)

    def ridge(self, x: Field, grain: float) -> Field:
        """Return y of the ridge."""
        massif, crags = (1 - np.abs(field.along(x, grain)) for field in (self.massif, self.crags))
        ridge: Field = self.foot - self.height * (clamp(massif) * (0.62 + 0.28 * crags) + 0.1 * crags)
        return ridge

    def paint(self, canvas: Canvas, palette: Palette, sunward: float) -> None:
        """Paint the range; the sun is to the right where `sunward` is positive."""
        view = canvas.view
        margin = round(MARGIN / view.pitch)
        line = (np.arange(-margin, view.x.size + margin) * view.pitch + view.x[0]).astype(np.float32)
        heights = self.ridge(line, view.grain)
        ridge = heights[margin:-margin]
        rows = view.rows(float(ridge.min()), self.foot + 0.1)  # the hills before it hide its foot
        y = view.y[rows]
        depth = y[:, None] - ridge
        relief = self.relief.on_grid(y, view.x, view.grain)
        light = clamp(0.5 + sunward * self._facing(view, line, heights, depth, relief) + 0.1 * relief)

        # Snow slides off the steep and shaded places, which are the same in every season.
        steep = smooth((0.42 - light) * 3 + relief * 0.5)
        snow = smooth((1 - palette.snow_line - y[:, None] + relief * 0.05) * 14) * (1 - 0.8 * steep)
        colours = mixed(shaded(palette.rock, light), shaded(palette.snow, light), snow)
        mist = self.haze + (0.75 - self.haze) * smooth(depth * (0.9 / self.height))
        canvas.lay(mixed(colours, palette.haze, mist), view.inside(depth), rows)

    def _facing(self, view: View, line: Field, heights: Field, depth: Field, relief: Field) -> Field:
        """Return how much the faces look to the right (positive) or the left: crests and spurs part them."""
        reach = max(round(0.012 / view.pitch), 1)
        falls = np.zeros_like(line)
        falls[reach:-reach] = (heights[2 * reach :] - heights[: -2 * reach]) * (0.5 / reach / view.pitch)
        left, right = (-0.06 * slope(spurs.along(line, view.grain), view.pitch) for spurs in self.spurs)
        columns = (np.arange(view.x.size) + (line.size - view.x.size) // 2).astype(np.float32)
        place = columns + relief * ((0.006 + 0.05 * clamp(depth)) / view.pitch)
        lean = depth * (0.55 / view.pitch)
        facing = np.zeros_like(depth)
        for fall, where, share in ((falls, place, 0.3), (left, place + lean, 0.26), (right, place - lean, 0.26)):
            facing += (bend(fall * 2) * share)[clamp(where, 0, line.size - 1).astype(np.intp)]
        return facing


@dataclass(frozen=True)
class Foothills:
    """Wooded hills below the mountains.

    Attributes:
        top: y around which their ridge runs.
        swing: how far it goes up and down.
        haze: how much of them the distance hides.
        tree: the height of a tree.
        profile: the ridge.
        folds: the shape of the slopes.
        crowns: how trees differ.
    """

    top: float
    swing: float
    haze: float
    tree: float
    profile: Noise
    folds: Noise
    crowns: Noise

    @classmethod
    def draw(cls, rng: Generator, top: float, swing: float, haze: float, tree: float) -> Foothills:
        """Draw hills."""
        profile = Noise.draw(rng, (1.0, 0.45), octaves=6, fade=0.42)
        folds = Noise.draw(rng, (0.05, 0.12), octaves=4, fade=0.55)
        return cls(top, swing, haze, tree, profile, folds, Noise.draw(rng, (1.0, tree * 0.4), octaves=1))

    def paint(self, canvas: Canvas, palette: Palette, bottom: float) -> None:
        """Paint the hills down to `bottom`."""
        view = canvas.view
        ridge = self.top - self.swing * self.profile.along(view.x, view.grain)
        rows = view.rows(float(ridge.min()) - self.tree, bottom)
        y = view.y[rows]
        fold = self.folds.on_grid(y, view.x, view.grain)
        # Tree stands behind tree: teeth along x, in steps along y, both bent by the folds.
        across = view.x * (2 / self.tree) + fold * 1.5
        tip = np.abs(across - np.floor(across) - 0.5)
        depth = y[:, None] - ridge - self.tree * (tip - 0.2)
        step = depth * (1.2 / self.tree) + fold + 0.5 * self.crowns.along(view.x, view.grain)
        step -= np.floor(step)
        clear = min(max(self.tree / view.grain - 0.8, 0), 1)
        light = clamp(0.48 + 0.3 * fold + clear * 0.6 * (0.5 - step) * (1.2 - tip))
        mist = self.haze + 0.25 * smooth(depth * 5)
        canvas.lay(mixed(shaded(palette.woods, light), palette.haze, mist), view.inside(depth), rows)
