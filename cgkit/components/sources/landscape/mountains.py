"""Mountains: ridges with lit and shaded faces, snow where the season lets it lie, fading into the haze."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from cgkit.components.sources.landscape.canvas import Canvas, View
from cgkit.components.sources.landscape.noise import Field, Noise, bend, between, clamp, smooth
from cgkit.components.sources.landscape.palette import Palette, mixed, shaded


@dataclass(frozen=True)
class Mountains:
    """One range.

    Attributes:
        foot: y of the range's foot.
        height: how far peaks rise above it.
        haze: how much of it the distance hides.
        profile: the ridge.
        relief: the shape of the faces.
    """

    foot: float
    height: float
    haze: float
    profile: Noise
    relief: Noise

    @classmethod
    def draw(cls, rng: Generator, foot: float, height: float, haze: float) -> Mountains:
        """Draw a range."""
        height *= between(rng, 0.75, 1.15)
        profile = Noise.draw(rng, (1.0, between(rng, 0.28, 0.4)), octaves=6, fade=0.45)
        return cls(foot, height, haze, profile, Noise.draw(rng, (0.12, 0.07), octaves=4, fade=0.55))

    def ridge(self, x: Field, grain: float) -> Field:
        """Return y of the ridge."""
        rise = 1 - np.abs(self.profile.along(x, grain))
        ridge: Field = self.foot - self.height * clamp(rise, 0.05, 1) * rise
        return ridge

    def paint(self, canvas: Canvas, palette: Palette, sunward: float) -> None:
        """Paint the range; the sun is to the right where `sunward` is positive."""
        view = canvas.view
        ridge = self.ridge(view.x, view.grain)
        rows = view.rows(float(ridge.min()), self.foot)
        y = view.y[rows]
        depth = y[:, None] - ridge
        relief = self.relief.on_grid(y, view.x, view.grain)
        light = self._light(view, depth, relief, sunward)

        # Snow slides off the steep and shaded places, which are the same in every season.
        steep = smooth((0.42 - light) * 3 + relief * 0.5)
        snow = smooth((1 - y[:, None] - palette.snow_line + relief * 0.05) * 14)
        snow *= 1 - 0.8 * steep
        colours = mixed(shaded(palette.rock, light), shaded(palette.snow, light), snow)
        mist = self.haze + (0.75 - self.haze) * smooth(depth / (self.height * 1.1))
        canvas.lay(mixed(colours, palette.haze, mist), view.inside(depth), rows)

    def _light(self, view: View, depth: Field, relief: Field, sunward: float) -> Field:
        """Return how lit the faces are, 0 to 1: crests run down from the peaks and part light from shadow."""
        margin = 0.25
        step = max(view.pitch, 0.004)
        line = np.arange(-margin + view.x[0], view.x[-1] + margin, step, dtype=np.float32)
        heights = self.ridge(line, 0.03)
        slope = bend(np.gradient(heights, step).astype(np.float32) * (2 * sunward))
        wander = relief * (0.02 + 0.16 * clamp(depth, 0, 0.4))
        place = (view.x - line[0] + wander) * (1 / step)
        faces = slope[clamp(place, 0, line.size - 1).astype(np.intp)]
        return clamp(0.5 + 0.42 * faces + 0.22 * relief)


@dataclass(frozen=True)
class Foothills:
    """Wooded hills below the mountains.

    Attributes:
        top: y around which their ridge runs.
        swing: how far it goes up and down.
        haze: how much of them the distance hides.
        profile: the ridge.
        trees: the texture of the woods.
        folds: the larger shape of the slopes.
    """

    top: float
    swing: float
    haze: float
    profile: Noise
    trees: Noise
    folds: Noise

    @classmethod
    def draw(cls, rng: Generator, top: float, swing: float, haze: float) -> Foothills:
        """Draw hills."""
        profile = Noise.draw(rng, (1.0, 0.45), octaves=6, fade=0.42)
        trees = Noise.draw(rng, (0.022, 0.012), octaves=2, fade=0.6)
        return cls(top, swing, haze, profile, trees, Noise.draw(rng, (0.07, 0.16), octaves=2))

    def paint(self, canvas: Canvas, palette: Palette, sunward: float, bottom: float) -> None:
        """Paint the hills down to `bottom`."""
        view = canvas.view
        ridge = self.top - self.swing * self.profile.along(view.x, view.grain)
        rows = view.rows(float(ridge.min()) - 0.02, bottom)
        y = view.y[rows]
        trees = self.trees.on_grid(y, view.x, view.grain)
        depth = y[:, None] - ridge + trees * 0.006
        folds = self.folds.on_grid(y, view.x, view.grain)
        light = clamp(0.45 + 0.25 * folds + 0.3 * trees)
        mist = self.haze + 0.25 * smooth(depth * 5)
        canvas.lay(mixed(shaded(palette.woods, light), palette.haze, mist), view.inside(depth), rows)
