"""Frechet distance between translations and the target domain (FID)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cgkit.components.metrics.sets import FeatureSets


class FrechetDistance(FeatureSets):
    """Frechet distance to the target domain (Heusel et al., 2017).

    As in "GANs trained by a two time-scale update rule", equation 6, each set of features is modelled as a Gaussian.
    The result is the squared distance between the means plus the trace of S + T - 2 (S T)^(1/2) for covariances S and
    T. With few images, the estimate is too high: compare only values from equal numbers of images, and prefer `kid`
    below a few thousand images.
    """

    enough = 2048
    """The number of features of Inception: with fewer images, the features' covariance does not have full rank."""

    def __call__(self, generated: Tensor, real: Tensor, /) -> Tensor:
        """Return the distance, a scalar, between `(N, D)` and `(M, D)` features; N and M are at least 2."""
        generated, real = generated.double(), real.double()
        means = (generated.mean(0) - real.mean(0)).square().sum()
        x, y = _covariance_factor(generated), _covariance_factor(real)
        # With S = X'X and T = Y'Y, the trace of (S T)^(1/2) is the sum of the singular values of X Y'. This avoids the
        # square root of a singular matrix, and with few images, X Y' is small.
        common: Tensor = torch.linalg.svdvals(x @ y.T).sum()
        return (means + x.square().sum() + y.square().sum() - 2 * common).clamp(min=0)


def _covariance_factor(rows: Tensor) -> Tensor:
    """Return X `(R, D)` such that X'X is the covariance of the rows; R is at most D."""
    factor = (rows - rows.mean(0)) / math.sqrt(len(rows) - 1)
    if len(factor) > factor.shape[1]:
        triangle: Tensor = torch.linalg.qr(factor, mode="r").R
        return triangle
    return factor
