"""Trees, in ranks: each stands in a cell of its own along a line over the ground, and all are painted at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from cgkit.components.sources.landscape.canvas import Canvas, View
from cgkit.components.sources.landscape.noise import Field, Noise, clamp, smooth
from cgkit.components.sources.landscape.palette import Palette, mixed, shaded

Ground = Callable[[Field], Field]
Kind = Literal["conifer", "broadleaf"]

CELLS = 64
"""Cells after which a rank repeats."""


@dataclass(frozen=True)
class Rank:
    """A rank of trees of one kind.

    Attributes:
        kind: what grows.
        height: of the tallest tree.
        spacing: width of a cell.
        offset: how far below the ground's ridge the trunks stand.
        haze: how much the distance hides.
        present: by cell, whether a tree stands there.
        size: by cell, relative height.
        shift: by cell, how far from the middle of the cell, in cells.
        tone: by cell, brightness.
        foliage: the texture.
    """

    kind: Kind
    height: float
    spacing: float
    offset: float
    haze: float
    present: Field
    size: Field
    shift: Field
    tone: Field
    foliage: Noise

    @classmethod
    def draw(
        cls, rng: Generator, kind: Kind, height: float, offset: float, haze: float, density: Callable[[Field], Field]
    ) -> Rank:
        """Draw a rank; `density` says by x how likely a tree is."""
        spacing = height * (0.5 if kind == "conifer" else 0.8)
        draws = rng.random((4, CELLS), dtype=np.float32)
        middle = (np.arange(CELLS, dtype=np.float32) - CELLS // 2 + 0.5) * spacing
        present = (draws[0] < density(middle)).astype(np.float32)
        if kind == "conifer":
            foliage = Noise.draw(rng, (height * 0.06, height * 0.05), octaves=2, fade=0.6)
        else:
            foliage = Noise.draw(rng, (height * 0.18, height * 0.2), octaves=4, fade=0.62)
        size = 0.6 + 0.4 * draws[1]
        return cls(kind, height, spacing, offset, haze, present, size, draws[2] * 0.3 - 0.15, draws[3], foliage)

    def paint(self, canvas: Canvas, palette: Palette, sunward: float, ground: Ground) -> None:
        """Paint the rank on the ground."""
        view = canvas.view
        cell = np.floor(view.x / self.spacing)
        index = (cell.astype(np.intp) + CELLS // 2) % CELLS
        if not self.present[index].any():
            return
        centre = (cell + 0.5 + self.shift[index]) * self.spacing
        height = self.size[index] * self.height
        foot = ground(centre) + self.offset
        rows = view.rows(float((foot - height).min()), float(foot.max()))
        y = view.y[rows]
        if not y.size:
            return
        across, up = (view.x - centre) / height, (foot - y[:, None]) / height
        texture = self.foliage.on_grid(y, view.x, view.grain)
        paint = _conifers if self.kind == "conifer" else _broadleaves
        colours, cover = paint(view, palette, across, up, height, texture, self.tone[index], sunward)
        colours = mixed(colours, palette.haze, self.haze)
        canvas.lay(colours, cover * self.present[index], rows)


def _conifers(
    view: View, palette: Palette, across: Field, up: Field, height: Field, texture: Field, tone: Field, sunward: float
) -> tuple[Field, Field]:
    """Return colours and cover of conifers: tiers of drooping branches, on which snow stays."""
    tiers = up * 6.5 + np.abs(across) * 4 + tone
    tier = tiers - np.floor(tiers)  # 0 at a tier's hem, 1 under the next
    width = 0.24 * (1.02 - up) * (1.12 - 0.38 * tier) + texture * 0.015
    crown = view.inside((width - np.abs(across)) * height) * view.inside((up - 0.1) * height)
    trunk = view.inside((0.03 - np.abs(across)) * height) * view.inside((0.14 - up) * height) * view.inside(up * height)
    side = across / np.maximum(width, 0.02) * sunward
    light = clamp(0.42 + 0.34 * side - 0.35 * (tier - 0.5) + 0.22 * texture + 0.2 * (tone - 0.5))
    snow = palette.snowed * smooth((light - 0.38) * 2.6) * 0.85
    colours = mixed(shaded(palette.needles, light), shaded(palette.snow, light), snow)
    return mixed(shaded(palette.bark, light), colours, crown), np.maximum(crown, trunk)


def _broadleaves(
    view: View, palette: Palette, across: Field, up: Field, height: Field, texture: Field, tone: Field, sunward: float
) -> tuple[Field, Field]:
    """Return colours and cover of broad-leaved trees: round crowns of leaves, or of rimy twigs."""
    right, over = across / 0.4, (up - 0.62) / 0.38
    radius = np.sqrt(right * right + over * over)
    crown = view.inside((0.92 - radius + 0.16 * texture) * height * 0.38)
    trunk = view.inside((0.035 + 0.05 * (0.3 - up) * (0.3 - up) - np.abs(across)) * height)
    trunk *= view.inside((0.5 - up) * height) * view.inside(up * height)
    light = clamp(0.45 + 0.26 * (right * sunward + over) + 0.36 * texture + 0.2 * (tone - 0.5))
    fan = across / np.maximum(up - 0.12, 0.05) * 4.5 + texture * 0.5
    fan = np.abs(fan - np.floor(fan) - 0.5)
    branches = smooth((0.16 - fan) * 9) * clamp(1.25 - radius)
    colours = shaded(palette.leaves, light)
    colours = mixed(colours, shaded(palette.bark, light), branches * (0.25 + 0.35 * palette.snowed))
    return mixed(shaded(palette.bark, light), colours, crown), np.maximum(crown, trunk)
