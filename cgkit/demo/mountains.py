"""Mountains with lit and shaded faces and snow above the snow line, fading into the haze."""

from __future__ import annotations

import numpy as np

from cgkit.demo.canvas import Canvas, Painting
from cgkit.demo.noise import Field, Noise, bend, between, clamp, slope, smooth
from cgkit.demo.palette import mix, shade

MARGIN = 0.3
"""How far the ridge extends beyond each side of the picture, since spurs run down from there into the picture."""


def paint_mountains(painting: Painting, foot: float, height: float, haze: float) -> None:
    """Paint a mountain range.

    Args:
        painting: the painting to add the mountains to.
        foot: the y of the foot of the mountains.
        height: the approximate height of the peaks above the foot, in units of y.
        haze: the opacity of the haze at the ridge.
    """
    canvas, palette, rng = painting.canvas, painting.palette, painting.rng
    height *= between(rng, 0.75, 1.15)
    outline = (
        Noise.draw(rng, (1.0, between(rng, 0.4, 0.6)), octaves=2),
        Noise.draw(rng, (1.0, 0.2), octaves=6, fade=0.55),
    )
    relief = Noise.draw(rng, (0.08, 0.1), octaves=5, fade=0.58)
    spurs = [Noise.draw(rng, (1.0, 0.2), octaves=5) for _ in range(2)]

    margin = round(MARGIN / canvas.pitch)
    x = (np.arange(-margin, canvas.x.size + margin) * canvas.pitch + canvas.x[0]).astype(np.float32)
    massif, crags = (1 - 1.4 * np.abs(noise.along(x, canvas.grain)) for noise in outline)
    ridge = foot - height * (clamp(massif) * (0.62 + 0.28 * crags) + 0.1 * crags)
    rows = canvas.rows(float(ridge[margin:-margin].min()), foot + 0.1)
    y = canvas.y[rows]
    depth = y[:, None] - ridge[margin:-margin]
    rough = relief.on_grid(y, canvas.x, canvas.grain)
    left, right = (-0.09 * noise.along(x, canvas.grain) for noise in spurs)
    light = clamp(0.5 + painting.sunward * _facing(canvas, ridge, left, right, depth, rough) + 0.1 * rough)

    # Snow slides off steep and shaded faces, so these faces are bare in every season.
    steep = smooth((0.42 - light) * 3 + rough * 0.5)
    snow = smooth((1 - palette.snow_line - y[:, None] + rough * 0.05) * 14) * (1 - 0.8 * steep)
    colours = mix(shade(palette.rock, light), shade(palette.snow, light), snow)
    colours = mix(colours, palette.haze, haze + (0.75 - haze) * smooth(depth * (0.9 / height)))
    canvas.blend(colours, canvas.coverage(depth), rows)


def _facing(canvas: Canvas, ridge: Field, left: Field, right: Field, depth: Field, rough: Field) -> Field:
    """Return how much the slopes below the ridge and next to the spurs face right (positive) or left (negative)."""
    margin = (ridge.size - canvas.x.size) // 2
    roughness = rough * ((0.006 + 0.05 * clamp(depth)) / canvas.pitch)
    columns = margin + np.arange(canvas.x.size, dtype=np.float32) + roughness
    facing = np.zeros_like(depth)
    for crest, lean, share in ((ridge, 0.0, 0.3), (left, 0.55, 0.26), (right, -0.55, 0.26)):
        index = clamp(columns + depth * (lean / canvas.pitch), 0, ridge.size - 1).astype(np.intp)
        facing += (bend(slope(crest, canvas.pitch) * 2) * share)[index]
    return facing
