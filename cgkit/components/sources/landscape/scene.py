"""A scene: what is drawn from a seed, and painted in any season."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence

from cgkit.components.sources.landscape.canvas import Canvas, View
from cgkit.components.sources.landscape.meadows import Meadow
from cgkit.components.sources.landscape.mountains import Foothills, Mountains
from cgkit.components.sources.landscape.noise import Field, between, clamp
from cgkit.components.sources.landscape.palette import PALETTES, Season
from cgkit.components.sources.landscape.sky import Sky
from cgkit.components.sources.landscape.trees import Rank
from cgkit.components.sources.landscape.water import Lake

Wooded = tuple[Meadow, tuple[Rank, ...]]


@dataclass(frozen=True)
class Scene:
    """A landscape, from the back to the front."""

    sky: Sky
    mountains: tuple[Mountains, ...]
    foothills: tuple[Foothills, ...]
    far: Wooded
    lake: Lake | None
    near: tuple[Wooded, ...]

    @classmethod
    def draw(cls, seed: int, number: int) -> Scene:
        """Draw the scene of that number in the world of that seed."""
        rng = Generator(PCG64(SeedSequence((seed, number))))
        horizon = between(rng, 0.5, 0.56)
        mountains = Mountains.draw(rng, horizon, 0.34, 0.4), Mountains.draw(rng, horizon + 0.02, 0.24, 0.22)
        foothills = (Foothills.draw(rng, horizon - 0.02, 0.03, 0.3), Foothills.draw(rng, horizon + 0.02, 0.02, 0.15))
        lake = Lake.draw(rng, horizon + 0.10) if rng.random() < 0.65 else None
        far = Meadow.draw(rng, horizon + 0.05, 0.02, 0.25, 0.5)
        middle = Meadow.draw(rng, 0.74, 0.04, 0.08, 0.8, 0.10 if lake else 0.0)
        front = Meadow.draw(rng, 0.86, 0.04, 0.0, 1.4, 0.06)
        return cls(
            Sky.draw(rng),
            mountains,
            foothills,
            (far, tuple(Rank.draw(rng, "conifer", 0.07, 0.01 * n, 0.2, _groves(rng)) for n in range(3))),
            lake,
            (
                (
                    middle,
                    (
                        Rank.draw(rng, "conifer", 0.16, 0.01, 0.08, _groves(rng)),
                        Rank.draw(rng, "broadleaf", 0.15, 0.025, 0.06, _groves(rng)),
                        Rank.draw(rng, "conifer", 0.17, 0.03, 0.05, _groves(rng)),
                    ),
                ),
                (
                    front,
                    (
                        Rank.draw(rng, "conifer", 0.42, 0.03, 0.0, _sides(0.55)),
                        Rank.draw(rng, "broadleaf", 0.36, 0.06, 0.0, _sides(0.4)),
                    ),
                ),
            ),
        )

    def paint(self, size: tuple[int, int], season: Season) -> Field:
        """Return the picture, float32 `(3, height, width)` in [0, 1]."""
        palette = PALETTES[season]
        canvas = Canvas(View(*size, samples=3 if size[0] * size[1] <= 96 * 96 else 2))
        sunward = 1.0 if self.sky.sun[1] > 0 else -1.0
        self.sky.paint(canvas, palette, 0.62)
        for mountains in self.mountains:
            mountains.paint(canvas, palette, sunward)
        for hills in self.foothills:
            hills.paint(canvas, palette, sunward, 0.75)
        for meadow, ranks in (self.far, *self.near):
            if self.lake and meadow is self.near[0][0]:
                self.lake.paint(canvas, palette)
            meadow.paint(canvas, palette, sunward)
            for rank in ranks:
                rank.paint(canvas, palette, sunward, meadow.ground)
        return canvas.picture()


def _groves(rng: Generator) -> Callable[[Field], Field]:
    middle, reach = between(rng, -0.6, 0.6), between(rng, 0.1, 0.5)
    return lambda x: clamp(1.2 - np.abs(x - middle) / reach, 0.08, 0.9)


def _sides(most: float) -> Callable[[Field], Field]:
    return lambda x: clamp((np.abs(x) - 0.15) * 2.5, 0, most)
