"""Change the colours of images without losing any of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_BRIGHTNESS = 0.1
"""The standard deviation of what is added: 0.2 in the paper, whose images are in [-1, 1]."""

_CONTRAST = 0.5
"""The standard deviation of the contrast factor's logarithm to base 2."""

_SATURATION = 1.0
"""The same of the saturation's."""

UNIFORM, NORMAL = 2, 3
"""How many uniform and how many normal draws an image needs."""

APPLIED = 5
"""How many changes there are that happen or not: brightness, contrast, luma flip, hue, saturation."""


def recoloured(images: Tensor, applied: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
    """Change brightness, contrast, lightness without hue, hue and saturation.

    Hue changes only in images of 3 channels; saturation does nothing to those of 1.

    Args:
        images: `(N, C, H, W)` in [0, 1].
        applied: `(5, N)`, which change happens to which image.
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
        colours = _turned(colours, torch.where(hue, (2 * angles - 1) * math.pi, 0.0))
    lightness = colours.mean(1, keepdim=True)
    colours = lightness + (colours - lightness) * torch.where(saturation, torch.exp2(_SATURATION * saturations), 1.0)
    return torch.where(applied.any(0)[:, None, None, None], (colours + 0.5).to(images.dtype), images)


def _turned(colours: Tensor, angle: Tensor) -> Tensor:
    """Turn colours about the axis of the greys (Rodrigues' formula)."""
    lightness = colours.mean(1, keepdim=True)
    across = (colours.roll(1, 1) - colours.roll(-1, 1)) / math.sqrt(3)
    return lightness + (colours - lightness) * angle.cos() + across * angle.sin()
