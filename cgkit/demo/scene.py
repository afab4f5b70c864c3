"""A scene: what is drawn from a seed, and painted in any season."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence

from cgkit.contracts import Size
from cgkit.demo.canvas import Canvas, View
from cgkit.demo.meadows import Meadow, Path
from cgkit.demo.mountains import Foothills, Mountains
from cgkit.demo.noise import Field, between, clamp
from cgkit.demo.palette import PALETTES, Palette, Season
from cgkit.demo.ranks import Line, Rank
from cgkit.demo.sky import Sky
from cgkit.demo.stones import BOULDERS, Cottage
from cgkit.demo.trees import BROADLEAVES, CONIFERS
from cgkit.demo.water import Lake


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
        lake = Lake.draw(rng, shore=horizon + 0.1) if rng.random() < 0.6 else None
        far = Meadow.draw(rng, top=horizon + 0.05, swing=0.02, haze=0.25, near=0.5)
        middle = Meadow.draw(rng, top=0.74, swing=0.04, haze=0.08, near=0.8, valley=0.1 if lake else 0.0)
        front = Meadow.draw(rng, top=0.86, swing=0.04, haze=0.0, near=1.4, valley=0.06)
        cottage = Cottage.draw(rng) if rng.random() < 0.6 else None
        return cls(
            Sky.draw(rng),
            (
                Mountains.draw(rng, foot=horizon, height=0.34, haze=0.4),
                Mountains.draw(rng, foot=horizon + 0.02, height=0.24, haze=0.22),
            ),
            (
                Foothills.draw(rng, top=horizon - 0.02, swing=0.03, haze=0.3, tree=0.016),
                Foothills.draw(rng, top=horizon + 0.02, swing=0.02, haze=0.15, tree=0.022),
            ),
            Hill(far, tuple(Rank.draw(rng, CONIFERS, 0.07, offset, 0.2, _grove(rng)) for offset in (0.0, 0.01, 0.02))),
            lake,
            Hill(middle, _trees_around(cottage, rng)),
            Path.draw(rng, (cottage.foot(middle.ground), cottage.x)) if cottage else None,
            Hill(
                front,
                (
                    Rank.draw(rng, BOULDERS, 0.05, 0.03, 0.0, lambda x: np.full_like(x, 0.3)),
                    Rank.draw(rng, CONIFERS, 0.42, 0.03, 0.0, _clearing(cottage, _sides(0.55))),
                    Rank.draw(rng, BROADLEAVES, 0.36, 0.06, 0.0, _clearing(cottage, _sides(0.4))),
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


def _trees_around(cottage: Cottage | None, rng: Generator) -> tuple[Rank | Cottage, ...]:
    """Draw the trees of the middle hill; those behind the cottage come first."""
    behind = Rank.draw(rng, CONIFERS, 0.16, 0.01, 0.08, _grove(rng))
    before = (
        Rank.draw(rng, BROADLEAVES, 0.15, 0.025, 0.06, _clearing(cottage, _grove(rng))),
        Rank.draw(rng, CONIFERS, 0.17, 0.03, 0.05, _clearing(cottage, _grove(rng))),
    )
    return (behind, cottage, *before) if cottage else (behind, *before)


def _grove(rng: Generator) -> Line:
    """Draw a density of trees: they crowd around one place, and are few elsewhere."""
    middle, reach = between(rng, -0.6, 0.6), between(rng, 0.1, 0.5)
    return lambda x: clamp(1.2 - np.abs(x - middle) / reach, 0.08, 0.9)


def _sides(most: float) -> Line:
    """Return a density of trees that leaves the middle of the picture open."""
    return lambda x: clamp((np.abs(x) - 0.15) * 2.5, 0, most)


def _clearing(cottage: Cottage | None, density: Line) -> Line:
    """Return a density of trees, none of them before the cottage."""
    if cottage is None:
        return density
    return lambda x: density(x) * (np.abs(x - cottage.x) > 0.15)
