"""Scenes: each is generated from a seed and painted in either season at any size."""

from __future__ import annotations

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence

from cgkit.contracts import Size
from cgkit.demo.canvas import Canvas, Painting
from cgkit.demo.hills import Line, paint_hill
from cgkit.demo.mountains import paint_mountains
from cgkit.demo.noise import Field, between, clamp
from cgkit.demo.objects import Placed, draw_objects, paint_objects
from cgkit.demo.palette import PALETTES, Season
from cgkit.demo.sky import paint_sky
from cgkit.demo.trees import BROADLEAVES, CONIFERS, paint_trees

SHOWN = 0.1
"""By how much an object must change the colour of a pixel that shows it."""


def paint_scene(seed: int, number: int, size: Size, season: Season, objects: tuple[Placed, ...] = ()) -> Field:
    """Paint scene `number` of the scenes generated from `seed`, from back to front, with `objects` on its meadow.

    Returns:
        The picture, float32 `(3, height, width)` in [0, 1].
    """
    rng = Generator(PCG64(SeedSequence((seed, number))))
    sun = between(rng, 0.08, 0.34), between(rng, 0.15, 0.5) * (1 if rng.random() < 0.5 else -1)
    painting = Painting(Canvas(size), PALETTES[season], rng, sun)
    horizon = between(rng, 0.5, 0.56)
    paint_sky(painting)
    paint_mountains(painting, horizon, height=0.34, haze=0.4)
    paint_mountains(painting, horizon + 0.02, height=0.24, haze=0.22)

    far = paint_hill(painting, horizon + 0.03, swing=0.025, haze=0.3, scale=0.4)
    for offset in (0.0, 0.015):
        paint_trees(painting, CONIFERS, far, 0.05, offset, 0.25, _grove(rng))
    middle = paint_hill(painting, horizon + 0.1, swing=0.03, haze=0.15, scale=0.6)
    paint_trees(painting, CONIFERS, middle, 0.08, 0.01, 0.15, _grove(rng))
    near = paint_hill(painting, 0.74, swing=0.04, haze=0.08, scale=0.8)
    paint_trees(painting, CONIFERS, near, 0.16, 0.01, 0.08, _grove(rng))
    paint_trees(painting, BROADLEAVES, near, 0.15, 0.025, 0.06, _grove(rng))
    paint_trees(painting, CONIFERS, near, 0.17, 0.03, 0.05, _grove(rng))
    paint_objects(painting, near, objects)
    front = paint_hill(painting, 0.86, swing=0.05, haze=0.0, scale=1.4)
    paint_trees(painting, CONIFERS, front, 0.42, 0.03, 0.0, _open_middle)
    paint_trees(painting, BROADLEAVES, front, 0.36, 0.06, 0.0, _open_middle)
    return painting.canvas.picture()


def label_scene(seed: int, number: int, size: Size, season: Season) -> Field:
    """Return the number of the object that each pixel of a scene shows, or 0, `(1, height, width)`.

    A pixel shows an object if it has another colour without the object, so what is hidden behind trees does not count.
    """
    objects = seasonal_objects(seed, number, season)
    whole, label = paint_scene(seed, number, size, season, objects), np.zeros((1, *size), np.float32)
    for one in objects:
        without = paint_scene(seed, number, size, season, tuple(other for other in objects if other is not one))
        label[0, np.abs(whole - without).max(0) > SHOWN] = one.number
    return label


def seasonal_objects(seed: int, number: int, season: Season) -> tuple[Placed, ...]:
    """Return the objects of a scene that a season has."""
    return tuple(one for one in draw_objects(seed, number) if one.exists_in(season))


def _grove(rng: Generator) -> Line:
    """Draw a random density of trees that is high around one place and low elsewhere."""
    middle, reach = between(rng, -0.6, 0.6), between(rng, 0.1, 0.5)
    return lambda x: clamp(1.2 - np.abs(x - middle) / reach, 0.08, 0.9)


def _open_middle(x: Field) -> Field:
    """Return a density of trees that is 0 in the middle of the picture."""
    return clamp((np.abs(x) - 0.12) * 3, 0, 0.6)
