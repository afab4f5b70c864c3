"""What the fused operation does with features."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NormActPad:
    """What to do with features: `pad(activation(norm(features)) + residual)`.

    Attributes:
        norm: whether each map of each image is normalised to mean 0 and variance 1 (Ulyanov et al., 2017).
        slope: the slope of the activation below 0: 0 for ReLU, 0.2 for LeakyReLU(0.2), 1 for no activation.
        padding: pixels of reflection padding on each side; must be less than height and width.
        extra_columns: columns of zeros to append on the right, after the padding.
        eps: added to the variance.
    """

    norm: bool = True
    slope: float = 1.0
    padding: int = 0
    extra_columns: int = 0
    eps: float = 1e-5
