"""The sky: a gradient, the sun with its glow, and clouds."""

from __future__ import annotations

import numpy as np

from cgkit.demo.canvas import Painting
from cgkit.demo.noise import Noise, between, clamp, smooth
from cgkit.demo.palette import mix, shade

BOTTOM = 0.62
"""The y down to which the sky is painted; land covers its lowest part."""


def paint_sky(painting: Painting) -> None:
    """Paint the sky with the sun and clouds."""
    canvas, palette, rng, sun = painting.canvas, painting.palette, painting.rng, painting.sun
    cloudiness = between(rng, -0.25, 0.3)
    clouds = Noise.draw(rng, (0.16, 0.42), octaves=5)

    rows = canvas.rows(0, BOTTOM)
    y, x = canvas.y[rows, None], canvas.x
    rise = 1 - y / BOTTOM
    distance = (y - sun[0]) * (y - sun[0]) + (x - sun[1]) * (x - sun[1])
    glow = 0.03 / (0.03 + distance)
    colours = mix(shade(palette.sky, rise), palette.glow, glow * 0.75)
    colours = mix(colours, palette.sun, smooth(1.5 - distance * 1200) * 0.8)
    canvas.blend(colours, np.ones_like(glow), rows)

    density = clouds.on_grid(canvas.y[rows], x, canvas.grain)
    cover = smooth((density + cloudiness - 0.05) * 1.6) * (0.35 + 0.6 * smooth(rise * 2.2))
    # Clouds are lit from above, so their lower parts, where the density increases upwards, are in shadow.
    lift = max(round(0.03 / canvas.pitch), 1)
    above = np.concatenate([np.repeat(density[:1], lift, axis=0), density])[: len(density)]
    canvas.blend(shade(palette.cloud, clamp(0.62 + (density - above) * 0.9 + glow * 0.5)), cover, rows)
