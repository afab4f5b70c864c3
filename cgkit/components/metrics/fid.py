"""Frechet distance between translations and the target domain."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cgkit.components.metrics.sets import FeatureSets


class FrechetDistance(FeatureSets):
    """Frechet distance of two sets of features, each taken for a Gaussian.

    Heusel et al., 2017 ("GANs trained by a two time-scale update rule", equation 6): the squared distance of the means
    plus the trace of S + T - 2 (S T)^(1/2) for covariances S and T. Few images make it larger: only numbers of as many
    images may be compared, and `kid` is the better choice below some thousands.
    """

    enough = 2048
    """As many as Inception has features: of fewer images no covariance has full rank."""

    def __call__(self, made: Tensor, real: Tensor, /) -> Tensor:
        """Return the distance, a scalar, of two sets `(N, D)` and `(M, D)` of two images at least."""
        made, real = made.double(), real.double()
        means = (made.mean(0) - real.mean(0)).square().sum()
        one, other = _spread(made), _spread(real)
        # With S = X'X and T = Y'Y the trace of (S T)^(1/2) is the sum of the singular values of X Y', which is as
        # small as there are few images, and needs no square root of a matrix that is singular then.
        common: Tensor = torch.linalg.svdvals(one @ other.T).sum()
        return (means + one.square().sum() + other.square().sum() - 2 * common).clamp(min=0)


def _spread(rows: Tensor) -> Tensor:
    """Return a factor `(R, D)` of the covariance, with no more rows than columns."""
    factor = (rows - rows.mean(0)) / math.sqrt(len(rows) - 1)
    if len(factor) > factor.shape[1]:
        triangle: Tensor = torch.linalg.qr(factor, mode="r").R
        return triangle
    return factor
