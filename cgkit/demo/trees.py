"""Trees: conifers, which stay green under the snow, and broad-leaved ones, which do not."""

from __future__ import annotations

import numpy as np

from cgkit.demo.noise import Field, clamp, smooth
from cgkit.demo.palette import Palette, mixed, shaded
from cgkit.demo.ranks import Kind, Standing

LOBES = ((0.0, 0.76, 0.23), (-0.19, 0.60, 0.22), (0.20, 0.58, 0.21), (0.02, 0.50, 0.24))
"""The clumps of a crown, from the back to the front: across, up and radius, in heights of the tree."""


def paint_conifers(palette: Palette, at: Standing) -> tuple[Field, Field]:
    """Return colours and cover of conifers: tiers of drooping branches, on which snow stays."""
    aside = np.abs(at.across)
    tiers = at.up * 6.5 + aside * 4 + at.tone
    tier = tiers - np.floor(tiers)  # 0 at a tier's hem, 1 under the next
    width = 0.22 * (1.02 - at.up) * (1.12 - 0.38 * tier) + at.texture * 0.012
    crown = at.inside(width - aside) * at.inside(at.up - 0.1)
    trunk = at.inside(0.028 - aside) * at.inside(0.14 - at.up) * at.inside(at.up)
    side = at.across / np.maximum(width, 0.02) * at.sunward
    light = clamp(0.42 + 0.34 * side - 0.35 * (tier - 0.5) + 0.22 * at.texture + 0.2 * (at.tone - 0.5))
    snow = smooth((light - 0.36) * 2.6) * (0.88 * palette.snowed)
    colours = mixed(shaded(palette.needles, light), shaded(palette.snow, light), snow)
    return mixed(shaded(palette.bark, light), colours, crown), np.maximum(crown, trunk)


def paint_broadleaves(palette: Palette, at: Standing) -> tuple[Field, Field]:
    """Return colours and cover of broad-leaved trees: clumps of leaves, or of rimy twigs."""
    inside, light = np.full_like(at.up, -1), np.zeros_like(at.up)
    for n, (right, over, radius) in enumerate(LOBES):
        wobble = at.tone * (n + 2.3)
        wobble = (wobble - np.floor(wobble) - 0.5) * 0.12
        across, up = (at.across - (right + wobble)) * (1 / radius), (at.up - (over - wobble)) * (1 / radius)
        depth = 1 - np.sqrt(across * across + up * up)
        front = depth + 0.12 * n > inside
        light = np.where(front, across * at.sunward * 0.7 + up, light)
        inside = np.where(front, depth + 0.12 * n, inside)
    crown = at.inside((inside - 0.16 + 0.26 * at.texture) * 0.22)
    aside = np.abs(at.across)
    flare = clamp(0.2 - at.up)
    trunk = at.inside(0.026 + 0.56 * flare * flare - aside)
    trunk *= at.inside(0.5 - at.up) * at.inside(at.up)
    light = clamp(0.46 + 0.26 * light + 0.42 * at.texture + 0.2 * (at.tone - 0.5))
    fan = at.across / np.maximum(at.up - 0.12, 0.05) * 4 + at.texture * 0.25
    branch = smooth((0.17 - np.abs(fan - np.floor(fan) - 0.5)) * 8) * clamp(1.7 - at.up * 2.2)
    colours = mixed(shaded(palette.leaves, light), shaded(palette.bark, light), branch * (0.15 + 0.35 * palette.snowed))
    return mixed(shaded(palette.bark, light), colours, crown), np.maximum(crown, trunk)


CONIFERS = Kind(spacing=0.52, spread=0.25, depth=0.06, grain=(0.06, 0.05), paint=paint_conifers)
BROADLEAVES = Kind(spacing=1.2, spread=0.54, depth=0.08, grain=(0.12, 0.13), paint=paint_broadleaves)
