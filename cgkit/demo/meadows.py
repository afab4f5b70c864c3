"""Meadows: rolling hills of grass, with straw where it is dry, single stalks, and a path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from cgkit.demo.canvas import Canvas
from cgkit.demo.noise import Field, Noise, bend, between, clamp, slope, smooth
from cgkit.demo.palette import Palette, mixed, shaded


@dataclass(frozen=True)
class Path:
    """A path from a door to the viewer.

    Attributes:
        start: y and x of the door.
        end: x at the bottom of the picture.
        bends: how it winds.
    """

    start: tuple[float, float]
    end: float
    bends: Noise

    @classmethod
    def draw(cls, rng: Generator, start: tuple[float, float]) -> Path:
        """Draw a path."""
        return cls(start, between(rng, -0.3, 0.3), Noise.draw(rng, (1.0, 0.16), octaves=2))

    def cover(self, y: Field, x: Field, grain: float) -> Field:
        """Return where the path is, 0 to 1."""
        near = clamp((y - self.start[0]) * (1 / (1 - self.start[0])))
        middle = self.start[1] + (self.end - self.start[1]) * near * near
        middle += 0.12 * self.bends.along(y, grain) * (near * (1.3 - near))
        half = 0.006 + 0.045 * near
        aside = np.abs(x - middle[:, None]) * (1 / half)[:, None]
        return smooth((1.3 - aside) * 1.6) * smooth((y - self.start[0]) * 60)[:, None]


@dataclass(frozen=True)
class Meadow:
    """One hill.

    Attributes:
        top: y around which its ridge runs.
        swing: how far that goes up and down.
        haze: how much of it the distance hides.
        valley: how much deeper it lies in the middle of the picture than at the sides.
        profile: the ridge.
        folds: the shape of the ground.
        grass: its texture.
        dry: where the grass is dry.
        stalks: the field whose peaks are flowers, later stalks.
    """

    top: float
    swing: float
    haze: float
    valley: float
    profile: Noise
    folds: Noise
    grass: Noise
    dry: Noise
    stalks: Noise

    @classmethod
    def draw(cls, rng: Generator, top: float, swing: float, haze: float, near: float, valley: float = 0) -> Meadow:
        """Draw a hill whose details are `near` times as large as usual."""
        return cls(
            top,
            swing,
            haze,
            valley,
            profile=Noise.draw(rng, (1.0, between(rng, 0.5, 0.8)), octaves=3, fade=0.3),
            folds=Noise.draw(rng, (0.10 * near, 0.34 * near), octaves=3, fade=0.45),
            grass=Noise.draw(rng, (0.024 * near, 0.03 * near), octaves=4, fade=0.7),
            dry=Noise.draw(rng, (0.12 * near, 0.4 * near), octaves=3),
            stalks=Noise.draw(rng, (0.005 * near, 0.004 * near), octaves=1),
        )

    def ground(self, x: Field) -> Field:
        """Return y of the ridge."""
        ridge = self.top - self.swing * self.profile.along(x, 0.02)
        away = clamp(np.abs(x) * 2, 0, 1.4)
        return ridge + self.valley * (1 - away * away)

    def paint(self, canvas: Canvas, palette: Palette, sunward: float, path: Path | None = None) -> None:
        """Paint the hill and all below it."""
        view = canvas.view
        ridge = self.ground(view.x)
        rows = view.rows(float(ridge.min()) - 0.01)
        y, x, grain = view.y[rows], view.x, view.grain
        depth = y[:, None] - ridge
        # Rows are closer together the farther they are, so textures shrink towards the ridge.
        distance = np.sqrt(clamp(y - (self.top - self.swing)) + 0.01) * 0.7
        grass = self.grass.on_grid(distance, x, grain)
        dry = self.dry.on_grid(distance, x, grain)
        tilt = 0.22 * bend(slope(ridge, view.pitch) * (2.5 * sunward))
        crown = 1 - smooth(depth * 8)
        light = clamp(0.5 + 0.34 * self.folds.on_grid(distance, x, grain) + 0.2 * grass + tilt + 0.28 * crown)
        dryness = smooth(dry * 1.2 + 0.2 * grass + 0.25)
        colours = mixed(shaded(palette.meadow, light), shaded(palette.straw, light), dryness)
        stalks = smooth((self.stalks.on_grid(distance, x, grain) - 0.8) * 5)
        if stalks.any():  # in small pictures there are none
            colours = mixed(colours, palette.stalk, stalks * smooth(0.7 - dry * 1.4) * 0.75)
        if path:
            cover = path.cover(y, x, grain)
            along = np.flatnonzero(cover.any(axis=0))
            colours[:, :, along] = mixed(colours[:, :, along], shaded(palette.path, light[:, along]), cover[:, along])
        if self.haze:
            colours = mixed(colours, palette.haze, self.haze * (1 - smooth(depth * 4) * 0.5))
        canvas.lay(colours, view.inside(depth), rows)
