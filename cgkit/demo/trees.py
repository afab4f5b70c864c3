"""Trees: conifers, which stay green under the snow, and broad-leaved trees, which lose their leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cgkit.demo.canvas import Painting
from cgkit.demo.hills import Line
from cgkit.demo.noise import Field, Noise, clamp, smooth
from cgkit.demo.palette import Palette, flat, mix, shade

CELLS = 64
"""Number of cells after which a row of trees repeats."""

LOBES = ((0.0, 0.76, 0.23), (-0.19, 0.60, 0.22), (0.20, 0.58, 0.21), (0.02, 0.50, 0.24))
"""The clumps of a broad-leaved crown, from back to front: x, height and radius, in units of the tree's height."""


@dataclass(frozen=True)
class Local:
    """Pixels of trees, in coordinates relative to each tree; the unit of length is the height of the tree.

    Attributes:
        x: the distance to the right of the trunk, by column.
        y: the height above the foot, by row and column.
        texture: noise, by row and column.
        tone: a random number in [0, 1] for each tree, by column.
        sunward: 1 if the sun is on the right, -1 if it is on the left.
        coverage: a function that converts a pixel's distance to the edge of a shape (positive inside) to the fraction
            of the pixel that is inside.
    """

    x: Field
    y: Field
    texture: Field
    tone: Field
    sunward: float
    coverage: Callable[[Field], Field]


@dataclass(frozen=True)
class Kind:
    """A kind of tree; the unit of length is the height of the tree.

    Attributes:
        spacing: the distance between neighbouring trees.
        spread: half the width of a tree.
        grain: the cell size of the noise that textures a tree.
        look: a function that returns the colours and opacity of tree pixels.
    """

    spacing: float
    spread: float
    grain: float
    look: Callable[[Palette, Local], tuple[Field, Field]]


def paint_trees(
    painting: Painting, kind: Kind, ridge: Line, height: float, offset: float, haze: float, density: Line
) -> None:
    """Paint a row of trees with their shadows.

    Args:
        painting: the painting to add the trees to.
        kind: the kind of tree.
        ridge: the y of the hill's ridge as a function of x.
        height: the height of the tallest tree.
        offset: the distance of the trees' feet below the ridge.
        haze: the opacity of the haze over the trees.
        density: the probability of a tree as a function of x.
    """
    canvas, palette, rng = painting.canvas, painting.palette, painting.rng
    # The row is divided into cells, each of which has one tree or none.
    spacing = height * kind.spacing
    draws = rng.random((4, CELLS), dtype=np.float32)
    texture = Noise.draw(rng, (height * kind.grain, height * kind.grain), octaves=4, fade=0.68)
    present = draws[0] < density((np.arange(CELLS, dtype=np.float32) - CELLS // 2 + 0.5) * spacing)

    cell = np.floor(canvas.x * (1 / spacing))
    columns = np.flatnonzero(present[(cell.astype(np.intp) + CELLS // 2) % CELLS])
    cell = cell[columns]
    size, shift, tone = draws[1:, (cell.astype(np.intp) + CELLS // 2) % CELLS]
    size = 0.55 + 0.45 * size
    centre = (cell + 0.5 + (2 * shift - 1) * (0.5 - kind.spread / kind.spacing * size)) * spacing
    size *= height
    foot = ridge(centre) + offset
    rows = canvas.rows(float((foot - 1.1 * size).min(initial=1)), float(foot.max(initial=0)) + height * 0.15)
    if not columns.size or rows.start >= rows.stop:
        return
    y, x = canvas.y[rows], canvas.x[columns]
    local = Local(
        x=(x - centre) / size,
        y=(foot - y[:, None]) / size,
        texture=texture.on_grid(y, x, canvas.grain),
        tone=tone,
        sunward=painting.sunward,
        coverage=lambda distance: canvas.coverage(distance * size),
    )
    across, down = local.x * (1 / kind.spread) + 0.3 * painting.sunward, local.y * 14 + 0.6
    shadow = smooth((1 - across * across - down * down) * 1.2) * (0.5 - haze)
    canvas.blend(flat(palette.shadow), shadow, rows, columns)
    colours, cover = kind.look(palette, local)
    canvas.blend(mix(colours, palette.haze, haze), cover, rows, columns)


def _conifers(palette: Palette, at: Local) -> tuple[Field, Field]:
    """Return the colours and opacity of conifers: tiers of drooping branches, on which snow settles."""
    aside = np.abs(at.x)
    tiers = at.y * 6.5 + aside * 4 + at.tone
    tier = tiers - np.floor(tiers)  # 0 at the lower edge of a tier, 1 at its upper end
    width = 0.22 * (1.02 - at.y) * (1.12 - 0.38 * tier) + at.texture * 0.012
    crown = at.coverage(width - aside) * at.coverage(at.y - 0.1)
    trunk = at.coverage(0.028 - aside) * at.coverage(0.14 - at.y) * at.coverage(at.y)
    side = at.x / np.maximum(width, 0.02) * at.sunward
    light = clamp(0.42 + 0.34 * side - 0.35 * (tier - 0.5) + 0.22 * at.texture + 0.2 * (at.tone - 0.5))
    snow = smooth((light - 0.36) * 2.6) * (0.88 * palette.snowed)
    colours = mix(shade(palette.needles, light), shade(palette.snow, light), snow)
    return mix(shade(palette.bark, light), colours, crown), np.maximum(crown, trunk)


def _broadleaves(palette: Palette, at: Local) -> tuple[Field, Field]:
    """Return the colours and opacity of broad-leaved trees: clumps of leaves, or of twigs covered with rime."""
    inside, light = np.full_like(at.y, -1), np.zeros_like(at.y)
    for n, (x, y, radius) in enumerate(LOBES):
        wobble = at.tone * (n + 2.3)
        wobble = (wobble - np.floor(wobble) - 0.5) * 0.12
        right, up = (at.x - (x + wobble)) * (1 / radius), (at.y - (y - wobble)) * (1 / radius)
        depth = 1 - np.sqrt(right * right + up * up) + 0.12 * n
        light = np.where(depth > inside, right * at.sunward * 0.7 + up, light)
        inside = np.maximum(depth, inside)
    crown = at.coverage((inside - 0.16 + 0.26 * at.texture) * 0.22)
    flare = clamp(0.2 - at.y)
    trunk = at.coverage(0.026 + 0.56 * flare * flare - np.abs(at.x))
    trunk *= at.coverage(0.5 - at.y) * at.coverage(at.y)
    light = clamp(0.46 + 0.26 * light + 0.42 * at.texture + 0.2 * (at.tone - 0.5))
    fan = at.x / np.maximum(at.y - 0.12, 0.05) * 4 + at.texture * 0.25
    branch = smooth((0.17 - np.abs(fan - np.floor(fan) - 0.5)) * 8) * clamp(1.7 - at.y * 2.2)
    colours = mix(shade(palette.leaves, light), shade(palette.bark, light), branch * (0.15 + 0.35 * palette.snowed))
    return mix(shade(palette.bark, light), colours, crown), np.maximum(crown, trunk)


CONIFERS = Kind(spacing=0.52, spread=0.25, grain=0.055, look=_conifers)
BROADLEAVES = Kind(spacing=1.2, spread=0.54, grain=0.125, look=_broadleaves)
