"""The sky: a gradient, the sun's glow and clouds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from cgkit.demo.canvas import Canvas
from cgkit.demo.noise import Noise, between, clamp, smooth
from cgkit.demo.palette import Palette, mixed, shaded


@dataclass(frozen=True)
class Sky:
    """A sky as drawn.

    Attributes:
        sun: the place of the sun, y and x.
        cover: how cloudy it is.
        clouds: the field whose high places are clouds.
    """

    sun: tuple[float, float]
    cover: float
    clouds: Noise

    @classmethod
    def draw(cls, rng: Generator) -> Sky:
        """Draw a sky."""
        side = 1 if rng.random() < 0.5 else -1
        sun = between(rng, 0.08, 0.34), side * between(rng, 0.15, 0.5)
        return cls(sun, between(rng, -0.25, 0.3), Noise.draw(rng, (0.16, 0.42), octaves=5))

    def paint(self, canvas: Canvas, palette: Palette, horizon: float) -> None:
        """Paint it down to the horizon."""
        view = canvas.view
        rows = view.rows(0, horizon)
        y, x = view.y[rows], view.x
        rise = 1 - y / horizon
        colours = shaded(palette.sky, np.broadcast_to(rise[:, None], (y.size, x.size)))

        distance = (y[:, None] - self.sun[0]) ** 2 + (x - self.sun[1]) ** 2
        glow = 0.03 / (0.03 + distance)
        colours = mixed(colours, palette.glow, glow * 0.75)

        disc = smooth(1.5 - distance * 1200)
        colours = mixed(colours, palette.sun, disc * 0.8)

        density = self.clouds.on_grid(y, x, view.grain)
        cover = smooth((density + self.cover - 0.05) * 1.6)
        # Clouds are lit from above: their lower parts, where the field grows upwards, lie in shadow.
        above = np.empty_like(density)
        lift = max(round(0.03 / view.pitch), 1)
        above[:lift], above[lift:] = density[:1], density[:-lift]
        light = clamp(0.62 + (density - above) * 0.9 + glow * 0.5)
        cover *= 0.35 + 0.6 * smooth(rise * 2.2)[:, None]
        canvas.lay(colours, np.ones_like(cover), rows)
        canvas.lay(shaded(palette.cloud, light), cover, rows)
