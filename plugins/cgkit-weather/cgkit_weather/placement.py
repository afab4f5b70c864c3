"""Where the pixels of an image come from when it is mirrored, turned, moved and stretched."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_SHIFT = 0.125
"""The most whole pixels that an image is moved, and the standard deviation of moving by parts of pixels, as shares of
its height and width."""

_SCALE = 0.2
"""The standard deviation of the scale's and the stretch's logarithms to base 2."""

UNIFORM, NORMAL = 6, 4
"""How many uniform and how many normal draws an image needs."""

APPLIED = 8
"""How many changes there are that happen or not: flip, quarter turns, shift, then scale, turn, stretch, turn, drift."""

TURNS = (4, 6)
"""Which of them are the two turns by any angle."""


def placed(images: Tensor, applied: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
    """Mirror, turn, shift, scale and stretch images, resampled once, bilinearly, with mirrored borders.

    Args:
        images: `(N, C, H, W)`.
        applied: `(8, N)`, which change happens to which image.
        uniform: `(6, N)` draws in [0, 1).
        normal: `(4, N)` draws from N(0, 1).
    """
    wide = images.float() if images.dtype in (torch.bfloat16, torch.float16) else images
    origins = _origins(applied, uniform, normal, height=images.shape[-2], width=images.shape[-1])
    grid = _grid(origins, wide).to(wide.dtype)
    moved = F.grid_sample(wide, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return torch.where(applied.any(0)[:, None, None, None], moved.to(images.dtype), images)


def _origins(applied: Tensor, uniform: Tensor, normal: Tensor, *, height: int, width: int) -> Tensor:
    """Return `(N, 3, 3)` maps from a place to where its pixel comes from, in pixels from the centre."""
    flip, quarters, shift, scale, turn_before, stretch, turn_after, drift = applied
    mirrored = torch.where(flip & (uniform[0] < 0.5), -1.0, 1.0)
    # Only half turns keep the shape of an image that is no square.
    quarter = (uniform[1] * 4).floor() if height == width else (uniform[1] * 2).floor() * 2
    scaled = torch.exp2(_only(scale, normal[0]) * _SCALE)
    stretched = torch.exp2(_only(stretch, normal[1]) * _SCALE)
    ones = torch.ones_like(mirrored)
    steps = [
        _scaling(mirrored, ones),
        _turn(_only(quarters, quarter) * (math.pi / 2)),
        _move(
            _only(shift, ((2 * uniform[2] - 1) * _SHIFT * width).round()),
            _only(shift, ((2 * uniform[3] - 1) * _SHIFT * height).round()),
        ),
        _scaling(scaled, scaled),
        _turn(_only(turn_before, 2 * uniform[4] - 1) * math.pi),
        _scaling(stretched, 1 / stretched),
        _turn(_only(turn_after, 2 * uniform[5] - 1) * math.pi),
        _move(_only(drift, normal[2]) * _SHIFT * width, _only(drift, normal[3]) * _SHIFT * height),
    ]
    origins = steps[0]
    for step in steps[1:]:
        # Not matmul, which may round coordinates to ten bits.
        origins = (origins[:, :, :, None] * step[:, None]).sum(2)
    return origins


def _only(applied: Tensor, values: Tensor) -> Tensor:
    """Return the values of the images that are changed, and 0 for the others."""
    return torch.where(applied, values, 0.0)


def _grid(origins: Tensor, images: Tensor) -> Tensor:
    """Return for every pixel where it comes from: `(N, H, W, 2)`, x and y from -1 to 1 at the image's borders."""
    height, width = images.shape[-2:]
    y = torch.arange(height, device=images.device)[:, None] - (height - 1) / 2
    x = torch.arange(width, device=images.device) - (width - 1) / 2
    rows = origins[:, :2, :, None, None].unbind(1)
    across, down = (row[:, 0] * x + row[:, 1] * y + row[:, 2] for row in rows)
    return torch.stack([across * (2 / width), down * (2 / height)], -1)


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    return _matrix(x, 0 * x, 0 * x, 0 * x, y, 0 * x)


def _turn(angle: Tensor) -> Tensor:
    return _matrix(angle.cos(), -angle.sin(), 0 * angle, angle.sin(), angle.cos(), 0 * angle)


def _move(x: Tensor, y: Tensor) -> Tensor:
    return _matrix(torch.ones_like(x), 0 * x, x, 0 * x, torch.ones_like(x), y)


def _matrix(*entries: Tensor) -> Tensor:
    """Return `(N, 3, 3)` matrices whose first two rows are given, and whose last is 0, 0, 1."""
    last = [torch.zeros_like(entries[0]), torch.zeros_like(entries[0]), torch.ones_like(entries[0])]
    return torch.stack([*entries, *last], -1).reshape(-1, 3, 3)
