"""Hills of grass, with straw where it is dry."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cgkit.demo.canvas import Painting
from cgkit.demo.noise import Field, Noise, bend, between, clamp, slope, smooth
from cgkit.demo.palette import mix, shade

Line = Callable[[Field], Field]
"""A function of x, such as the height of the ground or the density of trees."""


def paint_hill(painting: Painting, top: float, swing: float, haze: float, scale: float) -> Line:
    """Paint a hill that fills the picture below its ridge, and return the ridge as a function of x.

    Args:
        painting: the painting to add the hill to.
        top: the mean y of the ridge.
        swing: the scale of the ridge's rise and fall about `top`.
        haze: the opacity of the haze at the ridge.
        scale: the relative size of the details, larger for hills closer to the viewer.
    """
    canvas, palette, rng = painting.canvas, painting.palette, painting.rng
    profile = Noise.draw(rng, (1.0, between(rng, 0.5, 0.8)), octaves=3, fade=0.3)
    folds = Noise.draw(rng, (0.10 * scale, 0.34 * scale), octaves=3, fade=0.45)
    blades = Noise.draw(rng, (0.024 * scale, 0.03 * scale), octaves=4, fade=0.7)
    drought = Noise.draw(rng, (0.12 * scale, 0.4 * scale), octaves=3)

    def ridge(x: Field) -> Field:
        return top - swing * profile.along(x, 0.02)

    edge = ridge(canvas.x)
    rows = canvas.rows(float(edge.min()) - 0.01)
    depth = canvas.y[rows, None] - edge
    # Shrink textures towards the ridge, for perspective.
    y = np.sqrt(clamp(canvas.y[rows] - (top - swing)) + 0.01) * 0.7
    fold, blade, dry = (noise.on_grid(y, canvas.x, canvas.grain) for noise in (folds, blades, drought))
    tilt = bend(slope(edge, canvas.pitch) * (2.5 * painting.sunward))
    light = clamp(0.5 + 0.34 * fold + 0.2 * blade + 0.22 * tilt + 0.28 * (1 - smooth(depth * 8)))
    colours = mix(shade(palette.grass, light), shade(palette.straw, light), smooth(dry * 1.2 + 0.2 * blade + 0.25))
    colours = mix(colours, palette.haze, haze * (1 - smooth(depth * 4) * 0.5))
    canvas.blend(colours, canvas.coverage(depth), rows)
    return ridge
