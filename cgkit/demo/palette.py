"""What the seasons look like: the colours of everything, and where snow lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cgkit.demo.noise import Field

Season = Literal["summer", "winter"]
Colour = tuple[float, float, float]
Ramp = tuple[Colour, Colour]
"""A surface: its colour in the shadow and in the light."""


@dataclass(frozen=True)
class Palette:
    """One season.

    Attributes:
        sky: at the horizon and overhead.
        cloud, rock, snow, woods, meadow, straw, needles, leaves, bark, roof, wall, path: the surfaces.
        stalk: flowers, or what is left of them.
        window: of the cottage.
        shadow: what shade on the ground is mixed with.
        glow: the light around the sun.
        sun: its disc.
        haze: what distance fades into.
        water: what is mixed into the reflection.
        reflection: how clear that is.
        snow_line: the height on the mountains from which snow lies, 0 the bottom of the picture, 1 its top.
        snowed: how much of a tree's lit side, of a boulder's top and of the ice lies under snow.
    """

    sky: Ramp
    cloud: Ramp
    rock: Ramp
    snow: Ramp
    woods: Ramp
    meadow: Ramp
    straw: Ramp
    needles: Ramp
    leaves: Ramp
    bark: Ramp
    roof: Ramp
    wall: Ramp
    path: Ramp
    stalk: Colour
    window: Colour
    shadow: Colour
    glow: Colour
    sun: Colour
    haze: Colour
    water: Colour
    reflection: float
    snow_line: float
    snowed: float


PALETTES: dict[Season, Palette] = {
    "summer": Palette(
        sky=((0.74, 0.87, 0.97), (0.16, 0.42, 0.84)),
        cloud=((0.70, 0.78, 0.88), (1.0, 0.99, 0.97)),
        rock=((0.22, 0.23, 0.30), (0.66, 0.60, 0.54)),
        snow=((0.50, 0.62, 0.82), (1.0, 0.99, 0.98)),
        woods=((0.03, 0.13, 0.11), (0.17, 0.36, 0.17)),
        meadow=((0.08, 0.26, 0.06), (0.50, 0.66, 0.16)),
        straw=((0.24, 0.30, 0.06), (0.74, 0.72, 0.24)),
        needles=((0.01, 0.09, 0.07), (0.13, 0.34, 0.16)),
        leaves=((0.04, 0.20, 0.04), (0.44, 0.62, 0.14)),
        bark=((0.13, 0.09, 0.07), (0.38, 0.28, 0.20)),
        roof=((0.22, 0.15, 0.13), (0.42, 0.29, 0.23)),
        wall=((0.36, 0.09, 0.07), (0.68, 0.20, 0.14)),
        path=((0.42, 0.34, 0.22), (0.82, 0.72, 0.54)),
        stalk=(0.99, 0.93, 0.62),
        window=(0.98, 0.88, 0.60),
        shadow=(0.02, 0.11, 0.06),
        glow=(1.0, 0.93, 0.74),
        sun=(1.0, 0.98, 0.86),
        haze=(0.60, 0.75, 0.90),
        water=(0.05, 0.24, 0.36),
        reflection=0.62,
        snow_line=0.68,
        snowed=0.0,
    ),
    "winter": Palette(
        sky=((0.95, 0.92, 0.91), (0.50, 0.65, 0.84)),
        cloud=((0.72, 0.76, 0.84), (0.98, 0.97, 0.97)),
        rock=((0.20, 0.22, 0.30), (0.58, 0.56, 0.56)),
        snow=((0.50, 0.62, 0.82), (1.0, 0.99, 0.98)),
        woods=((0.15, 0.24, 0.28), (0.82, 0.88, 0.94)),
        meadow=((0.60, 0.71, 0.89), (1.0, 0.99, 0.98)),
        straw=((0.66, 0.71, 0.83), (1.0, 0.97, 0.92)),
        needles=((0.03, 0.10, 0.11), (0.15, 0.29, 0.24)),
        leaves=((0.40, 0.37, 0.41), (0.94, 0.94, 0.97)),
        bark=((0.13, 0.09, 0.07), (0.38, 0.29, 0.23)),
        roof=((0.42, 0.53, 0.77), (0.86, 0.90, 0.98)),
        wall=((0.34, 0.09, 0.08), (0.64, 0.20, 0.15)),
        path=((0.50, 0.54, 0.66), (0.86, 0.85, 0.86)),
        stalk=(0.76, 0.71, 0.66),
        window=(1.0, 0.86, 0.52),
        shadow=(0.46, 0.56, 0.80),
        glow=(1.0, 0.90, 0.80),
        sun=(1.0, 0.97, 0.91),
        haze=(0.77, 0.84, 0.92),
        water=(0.72, 0.84, 0.90),
        reflection=0.30,
        snow_line=-0.2,
        snowed=1.0,
    ),
}


def shaded(ramp: Ramp, light: Field) -> Field:
    """Return a surface's colours, `(3, *light.shape)`, where light falls on it as given, 0 to 1."""
    return mixed(*ramp, light)


def mixed(first: Colour | Field, second: Colour | Field, share: Field | float) -> Field:
    """Return colours on the way from the first (share 0) to the second (share 1)."""
    start, end = (flat(colour) if isinstance(colour, tuple) else colour for colour in (first, second))
    colours = (end - start) * np.float32(share)
    colours += start
    return colours


def flat(colour: Colour) -> Field:
    """Return a colour as `(3, 1, 1)`."""
    return np.asarray(colour, np.float32).reshape(3, 1, 1)
