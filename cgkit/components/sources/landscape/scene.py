"""A scene: what is drawn from a seed, and painted in any season."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence

from cgkit.components.sources.landscape.canvas import Canvas, View
from cgkit.components.sources.landscape.meadows import Meadow, Path
from cgkit.components.sources.landscape.mountains import Foothills, Mountains
from cgkit.components.sources.landscape.noise import Field, between, clamp
from cgkit.components.sources.landscape.palette import PALETTES, Palette, Season
from cgkit.components.sources.landscape.ranks import Line, Rank
from cgkit.components.sources.landscape.sky import Sky
from cgkit.components.sources.landscape.stones import BOULDERS, Cottage
from cgkit.components.sources.landscape.trees import BROADLEAVES, CONIFERS
from cgkit.components.sources.landscape.water import Lake
from cgkit.contracts import Size


@dataclass(frozen=True)
class Hill:
    """A meadow and what stands on it, from the back to the front."""

    meadow: Meadow
    things: tuple[Rank | Cottage, ...]

    def paint(self, canvas: Canvas, palette: Palette, sunward: float, path: Path | None = None) -> None:
        """Paint the meadow, and what stands on it."""
        self.meadow.paint(canvas, palette, sunward, path)
        for thing in self.things:
            thing.paint(canvas, palette, sunward, self.meadow.ground)


@dataclass(frozen=True)
class Scene:
    """A landscape, from the back to the front."""

    sky: Sky
    mountains: tuple[Mountains, ...]
    foothills: tuple[Foothills, ...]
    far: Hill
    lake: Lake | None
    middle: Hill
    path: Path | None
    front: Hill

    @classmethod
    def draw(cls, seed: int, number: int) -> Scene:
        """Draw the scene of that number in the world of that seed."""
        rng = Generator(PCG64(SeedSequence((seed, number))))
        horizon = between(rng, 0.5, 0.56)
        lake = Lake.draw(rng, horizon + 0.10) if rng.random() < 0.6 else None
        far = Meadow.draw(rng, horizon + 0.05, 0.02, 0.25, 0.5)
        middle = Meadow.draw(rng, 0.74, 0.04, 0.08, 0.8, 0.10 if lake else 0.0)
        front = Meadow.draw(rng, 0.86, 0.04, 0.0, 1.4, 0.06)
        cottage = path = None
        if rng.random() < 0.6:
            cottage = Cottage(between(rng, -0.34, 0.34), between(rng, 0.11, 0.14), 0.04)
            path = Path.draw(rng, (cottage.foot(middle.ground), cottage.x))
        return cls(
            Sky.draw(rng),
            (Mountains.draw(rng, horizon, 0.34, 0.4), Mountains.draw(rng, horizon + 0.02, 0.24, 0.22)),
            (
                Foothills.draw(rng, horizon - 0.02, 0.03, 0.3, 0.016),
                Foothills.draw(rng, horizon + 0.02, 0.02, 0.15, 0.022),
            ),
            Hill(far, tuple(Rank.draw(rng, CONIFERS, 0.07, 0.01 * n, 0.2, _groves(rng)) for n in range(3))),
            lake,
            Hill(
                middle,
                (
                    Rank.draw(rng, CONIFERS, 0.16, 0.01, 0.08, _groves(rng)),
                    *([cottage] if cottage else ()),
                    Rank.draw(rng, BROADLEAVES, 0.15, 0.025, 0.06, _clearing(cottage, _groves(rng))),
                    Rank.draw(rng, CONIFERS, 0.17, 0.03, 0.05, _clearing(cottage, _groves(rng))),
                ),
            ),
            path,
            Hill(
                front,
                (
                    Rank.draw(rng, BOULDERS, 0.05, 0.03, 0.0, lambda x: np.full_like(x, 0.3)),
                    Rank.draw(rng, CONIFERS, 0.42, 0.03, 0.0, _sides(0.55)),
                    Rank.draw(rng, BROADLEAVES, 0.36, 0.06, 0.0, _sides(0.4)),
                ),
            ),
        )

    def paint(self, size: Size, season: Season) -> Field:
        """Return the picture, float32 `(3, height, width)` in [0, 1]."""
        palette = PALETTES[season]
        canvas = Canvas(View(*size, samples=2))
        sunward = 1.0 if self.sky.sun[1] > 0 else -1.0
        self.sky.paint(canvas, palette, 0.62)
        for mountains in self.mountains:
            mountains.paint(canvas, palette, sunward)
        for hills in self.foothills:
            hills.paint(canvas, palette, 0.75)
        self.far.paint(canvas, palette, sunward)
        if self.lake:
            self.lake.paint(canvas, palette)
        self.middle.paint(canvas, palette, sunward, self.path)
        self.front.paint(canvas, palette, sunward, self.path)
        return canvas.picture()


def _groves(rng: Generator) -> Line:
    middle, reach = between(rng, -0.6, 0.6), between(rng, 0.1, 0.5)
    return lambda x: clamp(1.2 - np.abs(x - middle) / reach, 0.08, 0.9)


def _sides(most: float) -> Line:
    return lambda x: clamp((np.abs(x) - 0.15) * 2.5, 0, most)


def _clearing(cottage: Cottage | None, density: Line) -> Line:
    """Keep trees from standing before the cottage."""
    if cottage is None:
        return density
    return lambda x: density(x) * (np.abs(x - cottage.x) > 0.14)
