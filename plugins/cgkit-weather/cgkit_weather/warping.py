"""Geometric transformations of adaptive augmentation, combined into one resampling."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_SHIFT = 0.125
"""Both the maximum integer shift and the fractional shift's standard deviation, as a fraction of height and width."""

_SCALE = 0.2
"""Standard deviation of the binary logarithms of scale and stretch."""

UNIFORM, NORMAL = 6, 4
"""Number of uniform and normal draws per image."""

TRANSFORMATIONS = 8
"""Number of transformations: flip, quarter turn, integer shift, scale, rotation, stretch, second rotation, drift
(fractional shift)."""

ROTATIONS = (4, 6)
"""Indices of the two rotations by arbitrary angles."""


def warp(images: Tensor, applied: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
    """Flip, rotate, shift, scale and stretch images in one bilinear resampling with reflected borders.

    Args:
        images: `(N, C, H, W)`.
        applied: `(8, N)`, whether each transformation is applied to each image.
        uniform: `(6, N)` draws in [0, 1).
        normal: `(4, N)` draws from N(0, 1).
    """
    values = images.float() if images.dtype in (torch.bfloat16, torch.float16) else images
    matrices = _inverse_matrices(applied, uniform, normal, height=images.shape[-2], width=images.shape[-1])
    grid = _sampling_grid(matrices, values).to(values.dtype)
    warped = F.grid_sample(values, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return torch.where(applied.any(0)[:, None, None, None], warped.to(images.dtype), images)


def _inverse_matrices(applied: Tensor, uniform: Tensor, normal: Tensor, *, height: int, width: int) -> Tensor:
    """Return `(N, 3, 3)` matrices that map output to input positions, both in pixels from the centre."""
    flip, quarters, shift, scale, rotate_before, stretch, rotate_after, drift = applied
    mirrored = torch.where(flip & (uniform[0] < 0.5), -1.0, 1.0)
    # Only half turns keep the shape of an image that is not square.
    quarter = (uniform[1] * 4).floor() if height == width else (uniform[1] * 2).floor() * 2
    scaled = torch.exp2(_select(scale, normal[0]) * _SCALE)
    stretched = torch.exp2(_select(stretch, normal[1]) * _SCALE)
    ones = torch.ones_like(mirrored)
    steps = [
        _scaling(mirrored, ones),
        _rotation(_select(quarters, quarter) * (math.pi / 2)),
        _translation(
            _select(shift, ((2 * uniform[2] - 1) * _SHIFT * width).round()),
            _select(shift, ((2 * uniform[3] - 1) * _SHIFT * height).round()),
        ),
        _scaling(scaled, scaled),
        _rotation(_select(rotate_before, 2 * uniform[4] - 1) * math.pi),
        _scaling(stretched, 1 / stretched),
        _rotation(_select(rotate_after, 2 * uniform[5] - 1) * math.pi),
        _translation(_select(drift, normal[2]) * _SHIFT * width, _select(drift, normal[3]) * _SHIFT * height),
    ]
    product = steps[0]
    for step in steps[1:]:
        # This is not a matrix product, because that may use TF32, which rounds coordinates to ten bits.
        product = (product[:, :, :, None] * step[:, None]).sum(2)
    return product


def _select(applied: Tensor, values: Tensor) -> Tensor:
    """Return the values where a transformation is applied, and 0 elsewhere."""
    return torch.where(applied, values, 0.0)


def _sampling_grid(matrices: Tensor, images: Tensor) -> Tensor:
    """Return the input position of every output pixel, `(N, H, W, 2)`: x and y, from -1 to 1 at the image's borders."""
    height, width = images.shape[-2:]
    y = torch.arange(height, device=images.device)[:, None] - (height - 1) / 2
    x = torch.arange(width, device=images.device) - (width - 1) / 2
    rows = matrices[:, :2, :, None, None].unbind(1)
    across, down = (row[:, 0] * x + row[:, 1] * y + row[:, 2] for row in rows)
    return torch.stack([across * (2 / width), down * (2 / height)], -1)


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    return _matrix(x, 0 * x, 0 * x, 0 * x, y, 0 * x)


def _rotation(angle: Tensor) -> Tensor:
    return _matrix(angle.cos(), -angle.sin(), 0 * angle, angle.sin(), angle.cos(), 0 * angle)


def _translation(x: Tensor, y: Tensor) -> Tensor:
    return _matrix(torch.ones_like(x), 0 * x, x, 0 * x, torch.ones_like(x), y)


def _matrix(*entries: Tensor) -> Tensor:
    """Return `(N, 3, 3)` matrices with the given entries of the first two rows; the last row is 0, 0, 1."""
    last = [torch.zeros_like(entries[0]), torch.zeros_like(entries[0]), torch.ones_like(entries[0])]
    return torch.stack([*entries, *last], -1).reshape(-1, 3, 3)
