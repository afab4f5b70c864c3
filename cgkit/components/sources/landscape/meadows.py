"""Meadows: rolling hills of grass, with straw where it is dry and a few flowers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from cgkit.components.sources.landscape.canvas import Canvas
from cgkit.components.sources.landscape.noise import Field, Noise, between, clamp, smooth
from cgkit.components.sources.landscape.palette import Palette, mixed, shaded


@dataclass(frozen=True)
class Meadow:
    """One hill.

    Attributes:
        top: y around which its ridge runs.
        swing: how far that goes up and down.
        haze: how much of it the distance hides.
        nearness: the size of its details.
        valley: how much deeper it lies in the middle of the picture than at the sides.
        profile: the ridge.
        folds: the shape of the ground.
        grass: its texture.
        dry: where the grass is dry.
    """

    top: float
    swing: float
    haze: float
    nearness: float
    valley: float
    profile: Noise
    folds: Noise
    grass: Noise
    dry: Noise

    @classmethod
    def draw(cls, rng: Generator, top: float, swing: float, haze: float, nearness: float, valley: float = 0) -> Meadow:
        """Draw a hill."""
        profile = Noise.draw(rng, (1.0, between(rng, 0.5, 0.8)), octaves=3, fade=0.3)
        folds = Noise.draw(rng, (0.10 * nearness, 0.34 * nearness), octaves=3, fade=0.45)
        grass = Noise.draw(rng, (0.018 * nearness, 0.03 * nearness), octaves=3, fade=0.65)
        dry = Noise.draw(rng, (0.12 * nearness, 0.4 * nearness), octaves=3)
        return cls(top, swing, haze, nearness, valley, profile, folds, grass, dry)

    def ground(self, x: Field) -> Field:
        """Return y of the ridge."""
        ridge = self.top - self.swing * self.profile.along(x, 0.02)
        away = clamp(np.abs(x) * 2, 0, 1.4)
        return ridge + self.valley * (1 - away * away)

    def paint(self, canvas: Canvas, palette: Palette, sunward: float) -> None:
        """Paint the hill and all below it."""
        view = canvas.view
        ridge = self.ground(view.x)
        rows = view.rows(float(ridge.min()) - 0.01)
        y = view.y[rows]
        depth = y[:, None] - ridge
        folds = self.folds.on_grid(y, view.x, view.grain)
        grass = self.grass.on_grid(y, view.x, view.grain)
        slope = np.gradient(ridge, view.pitch).astype(np.float32) * sunward
        light = 0.62 + 0.3 * folds + 0.16 * grass + slope * 0.5
        light += 0.3 * (1 - smooth(depth * (9 / self.nearness))) - 0.15
        light = clamp(light)
        dryness = smooth(self.dry.on_grid(y, view.x, view.grain) * 1.2 + 0.25)
        colours = mixed(shaded(palette.meadow, light), shaded(palette.straw, light), dryness)
        colours = mixed(colours, palette.haze, self.haze * (1 - smooth(depth * 4) * 0.5))
        canvas.lay(colours, view.inside(depth), rows)
