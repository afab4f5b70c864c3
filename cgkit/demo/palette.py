"""The colours of each season, and the extent of its snow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cgkit.demo.noise import Field

Season = Literal["summer", "winter"]
Colour = tuple[float, float, float]
Ramp = tuple[Colour, Colour]
"""The colours of a surface in shadow and in full light."""


@dataclass(frozen=True)
class Palette:
    """The colours of one season.

    Attributes:
        sky: the colours at the horizon and overhead.
        cloud, rock, snow, grass, straw, needles, leaves, bark: the colours of these surfaces.
        shadow: the colour of tree shadows on the ground.
        glow: the colour of the light around the sun.
        sun: the colour of the sun's disc.
        haze: the colour into which distant objects fade.
        snow_line: the height above which mountains have snow; 0 is the bottom of the picture, 1 the top.
        snowed: how much snow trees carry, from 0 (none) to 1.
    """

    sky: Ramp
    cloud: Ramp
    rock: Ramp
    snow: Ramp
    grass: Ramp
    straw: Ramp
    needles: Ramp
    leaves: Ramp
    bark: Ramp
    shadow: Colour
    glow: Colour
    sun: Colour
    haze: Colour
    snow_line: float
    snowed: float


PALETTES: dict[Season, Palette] = {
    "summer": Palette(
        sky=((0.74, 0.87, 0.97), (0.16, 0.42, 0.84)),
        cloud=((0.70, 0.78, 0.88), (1.0, 0.99, 0.97)),
        rock=((0.22, 0.23, 0.30), (0.66, 0.60, 0.54)),
        snow=((0.50, 0.62, 0.82), (1.0, 0.99, 0.98)),
        grass=((0.08, 0.26, 0.06), (0.50, 0.66, 0.16)),
        straw=((0.24, 0.30, 0.06), (0.74, 0.72, 0.24)),
        needles=((0.01, 0.09, 0.07), (0.13, 0.34, 0.16)),
        leaves=((0.04, 0.20, 0.04), (0.44, 0.62, 0.14)),
        bark=((0.13, 0.09, 0.07), (0.38, 0.28, 0.20)),
        shadow=(0.02, 0.11, 0.06),
        glow=(1.0, 0.93, 0.74),
        sun=(1.0, 0.98, 0.86),
        haze=(0.60, 0.75, 0.90),
        snow_line=0.68,
        snowed=0.0,
    ),
    "winter": Palette(
        sky=((0.95, 0.92, 0.91), (0.50, 0.65, 0.84)),
        cloud=((0.72, 0.76, 0.84), (0.98, 0.97, 0.97)),
        rock=((0.20, 0.22, 0.30), (0.58, 0.56, 0.56)),
        snow=((0.50, 0.62, 0.82), (1.0, 0.99, 0.98)),
        grass=((0.60, 0.71, 0.89), (1.0, 0.99, 0.98)),
        straw=((0.66, 0.71, 0.83), (1.0, 0.97, 0.92)),
        needles=((0.03, 0.10, 0.11), (0.15, 0.29, 0.24)),
        leaves=((0.40, 0.37, 0.41), (0.94, 0.94, 0.97)),
        bark=((0.13, 0.09, 0.07), (0.38, 0.29, 0.23)),
        shadow=(0.46, 0.56, 0.80),
        glow=(1.0, 0.90, 0.80),
        sun=(1.0, 0.97, 0.91),
        haze=(0.77, 0.84, 0.92),
        snow_line=-0.2,
        snowed=1.0,
    ),
}


def shade(ramp: Ramp, light: Field) -> Field:
    """Return the colours of a surface, `(3, *light.shape)`, for light in [0, 1]."""
    return mix(*ramp, light)


def mix(first: Colour | Field, second: Colour | Field, share: Field | float) -> Field:
    """Interpolate from the first colours (`share` 0) to the second colours (`share` 1)."""
    start, end = (flat(colour) if isinstance(colour, tuple) else colour for colour in (first, second))
    colours = (end - start) * np.float32(share)
    colours += start
    return colours


def flat(colour: Colour) -> Field:
    """Return a colour as an array `(3, 1, 1)`."""
    return np.asarray(colour, np.float32).reshape(3, 1, 1)
