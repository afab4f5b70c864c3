"""Colour transformations of adaptive augmentation; their results are not clamped."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_BRIGHTNESS = 0.1
"""Standard deviation of the value added to brightness: 0.2 in the paper, whose images are in [-1, 1]."""

_CONTRAST = 0.5
"""Standard deviation of the binary logarithm of the contrast factor."""

_SATURATION = 1.0
"""Standard deviation of the binary logarithm of the saturation factor."""

UNIFORM, NORMAL = 2, 3
"""Number of uniform and normal draws per image."""

TRANSFORMATIONS = 5
"""Number of transformations: brightness, contrast, luma flip, hue, saturation."""


def recolour(images: Tensor, applied: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
    """Change brightness and contrast, flip the luma, rotate the hue and change the saturation.

    The hue is rotated only if there are 3 channels; changing the saturation has no effect on a single channel.

    Args:
        images: `(N, C, H, W)` in [0, 1].
        applied: `(5, N)`, whether each transformation is applied to each image.
        uniform: `(2, N)` draws in [0, 1).
        normal: `(3, N)` draws from N(0, 1).
    """
    brightness, contrast, luma, hue, saturation = applied[:, :, None, None, None]
    flips, angles = uniform[:, :, None, None, None]
    shifts, contrasts, saturations = normal[:, :, None, None, None]
    colours = images + torch.where(brightness, _BRIGHTNESS * shifts, 0.0) - 0.5
    colours = colours * torch.where(contrast, torch.exp2(_CONTRAST * contrasts), 1.0)
    lightness = colours.mean(1, keepdim=True)
    colours = colours - torch.where(luma & (flips < 0.5), 2.0, 0.0) * lightness
    if images.shape[1] == 3:
        colours = _rotate_hue(colours, torch.where(hue, (2 * angles - 1) * math.pi, 0.0))
    lightness = colours.mean(1, keepdim=True)
    colours = lightness + (colours - lightness) * torch.where(saturation, torch.exp2(_SATURATION * saturations), 1.0)
    return torch.where(applied.any(0)[:, None, None, None], (colours + 0.5).to(images.dtype), images)


def _rotate_hue(colours: Tensor, angle: Tensor) -> Tensor:
    """Rotate colours about the grey axis (Rodrigues' formula)."""
    lightness = colours.mean(1, keepdim=True)
    across = (colours.roll(1, 1) - colours.roll(-1, 1)) / math.sqrt(3)
    return lightness + (colours - lightness) * angle.cos() + across * angle.sin()
