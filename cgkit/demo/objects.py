"""Objects on the meadow: cabins in both seasons, tents in summer only, and snowmen in winter only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence

from cgkit.contracts import ObjectKind
from cgkit.demo.canvas import Painting
from cgkit.demo.hills import Line
from cgkit.demo.noise import Field, between, clamp
from cgkit.demo.palette import Colour, Palette, Season, flat, mix

EDITION = 1
"""The version of the objects, incremented whenever a change alters their pictures or places."""

PLACES = (-0.39, -0.14, 0.12, 0.37)
"""The x around which an object may stand; there is at most one at each."""

DARK: Colour = (0.20, 0.16, 0.18)

Shape = tuple[Field, Field]
"""How much of each pixel a part covers, and its colour `(3, 1, 1)`."""


@dataclass(frozen=True)
class Local:
    """Pixels of an object; the unit of length is its height.

    Attributes:
        x: the distance to the right of its middle, by column.
        y: the height above its foot, by row.
        coverage: a function that converts a pixel's distance to the edge of a shape to the fraction that is inside.
    """

    x: Field
    y: Field
    coverage: Callable[[Field], Field]

    def block(self, width: float, bottom: float, top: float) -> Field:
        """Return the coverage by a rectangle."""
        inside = np.minimum(np.minimum(self.y - bottom, top - self.y), width / 2 - np.abs(self.x))
        return self.coverage(inside)

    def gable(self, width: float, bottom: float, top: float) -> Field:
        """Return the coverage by a triangle that stands on its widest side."""
        side = (top - self.y) / (top - bottom) * (width / 2) - np.abs(self.x)
        return self.coverage(np.minimum(side, self.y - bottom))

    def ball(self, middle: float, radius: float) -> Field:
        """Return the coverage by a disc."""
        return self.coverage(radius - np.sqrt(self.x * self.x + (self.y - middle) * (self.y - middle)))


def _cabin(at: Local, colour: Colour, palette: Palette) -> list[Shape]:
    """Return the parts of a cabin, whose roof carries snow in winter."""
    roof = mix(DARK, palette.snow[1], palette.snowed)
    return [(at.block(1.1, 0.0, 0.66), flat(colour)), (at.gable(1.4, 0.62, 1.05), roof)]


def _tent(at: Local, colour: Colour, palette: Palette) -> list[Shape]:
    """Return the parts of a tent."""
    return [(at.gable(1.5, 0.0, 0.95), flat(colour)), (at.gable(0.3, 0.0, 0.4), flat(DARK))]


def _snowman(at: Local, colour: Colour, palette: Palette) -> list[Shape]:
    """Return the parts of a snowman in a coat."""
    shadow, white = (flat(shade) for shade in palette.snow)
    return [
        (at.ball(0.26, 0.34), shadow),
        (at.ball(0.27, 0.30), white),
        (at.ball(0.88, 0.19), white),
        (at.block(0.30, 1.0, 1.2), flat(DARK)),
        (at.ball(0.56, 0.30), flat(colour)),
    ]


LOOKS: dict[str, Callable[[Local, Colour, Palette], list[Shape]]] = {
    "cabin": _cabin,
    "tent": _tent,
    "snowman": _snowman,
}

KINDS = (
    ObjectKind("cabin", (0.72, 0.08, 0.10), "ab", range(1, 1 + len(PLACES))),
    ObjectKind("tent", (0.70, 0.12, 0.72), "a", range(11, 11 + len(PLACES))),
    ObjectKind("snowman", (1.00, 0.50, 0.04), "b", range(21, 21 + len(PLACES))),
)
"""The kinds of objects; summer is domain a, winter is domain b."""


@dataclass(frozen=True)
class Placed:
    """An object of a scene.

    Attributes:
        kind: what it is.
        number: its number in labels.
        x: where it stands.
        depth: how far below the ridge of the near hill.
        height: its height.
    """

    kind: ObjectKind
    number: int
    x: float
    depth: float
    height: float

    def exists_in(self, season: Season) -> bool:
        """Return whether a season has it."""
        return ("a" if season == "summer" else "b") in self.kind.sides


def draw_objects(seed: int, number: int) -> tuple[Placed, ...]:
    """Draw the objects of scene `number` in both seasons, apart from everything else in the scene."""
    rng = Generator(PCG64(SeedSequence((seed, number, 1))))
    placed = []
    for place, x in enumerate(PLACES):
        choice, x = int(rng.integers(4)), x + between(rng, -0.03, 0.03)
        depth, height = between(rng, 0.045, 0.075), between(rng, 0.11, 0.14)
        if choice < len(KINDS):
            placed.append(Placed(KINDS[choice], KINDS[choice].numbers[place], x, depth, height))
    return tuple(placed)


def paint_objects(painting: Painting, ridge: Line, objects: tuple[Placed, ...]) -> None:
    """Paint objects on the near hill, whose ridge is given."""
    canvas = painting.canvas
    for one in objects:
        foot = float(ridge(np.full(1, one.x, np.float32))[0]) + one.depth
        rows = canvas.rows(foot - 1.3 * one.height, foot + 0.1 * one.height)
        if rows.start >= rows.stop:
            continue
        x, y = (canvas.x - one.x) / one.height, (foot - canvas.y[rows, None]) / one.height
        local = Local(x, y, lambda distance, unit=one.height: canvas.coverage(distance * unit))  # type: ignore[misc]
        # The side towards the sun is a little lighter.
        light = 0.95 + clamp(x * (0.2 * painting.sunward), -0.05, 0.05)
        for cover, colour in LOOKS[one.kind.name](local, one.kind.colour, painting.palette):
            canvas.blend(colour * light, cover, rows)
