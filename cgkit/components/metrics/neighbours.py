"""Precision, recall, density and coverage: how two sets of images lie among each other's nearest neighbours.

Each image of a set has a ball in the space of a network's features that reaches to its k-th nearest neighbour in the
same set. The balls together approximate the region in which such images lie.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from cgkit.components.metrics.sets import Deviations, FeatureSets, Means, Network, Side


class _NeighbourSets(FeatureSets):
    better = "higher"
    enough = 500
    """From 500 to 4000 draws of a normal distribution of 32 dimensions, the values change by 0.05 or less."""

    def __init__(
        self,
        *,
        neighbours: Annotated[int, Ge(1), Le(1000)] = 5,
        network: Network = "efficientnet-lite0",
        weights: Path | None = None,
        size: Side | None = None,
        mean: Means | None = None,
        std: Deviations | None = None,
    ) -> None:
        """Choose the number of neighbours, and the network that computes the features.

        Args:
            neighbours: the number k of nearest neighbours that a ball reaches to. Kynkaanniemi et al. use 3, Naeem et
                al. 5. A set of k images or less has balls that reach to its farthest image.
            network: the network whose features are compared; see `kid`.
            weights: the file of the network "inception" or "onnx"; see `kid`.
            size: for "onnx", the side in pixels to resize images to; by default the size that the file declares.
            mean: for "onnx", what is subtracted from each channel of images in [0, 1]; by default nothing.
            std: for "onnx", what each channel is divided by after that; by default nothing.

        Raises:
            ValueError: an option is missing for the network, or given for another one.
        """
        super().__init__(network=network, weights=weights, size=size, mean=mean, std=std)
        self._neighbours = neighbours

    def _in_balls(self, images: Tensor, others: Tensor) -> Tensor:
        """Return whether each of N images is in the ball of each of M others, `(N, M)`, from their features."""
        images, others = images.double(), others.double()
        # The nearest of all is the image itself, at distance 0.
        own = torch.cdist(others, others).fill_diagonal_(0)
        radii = own.kthvalue(min(self._neighbours + 1, len(others))).values
        return torch.cdist(images, others) <= radii


class Precision(_NeighbourSets):
    """Share of translations that lie in the region of the target domain (Kynkaanniemi et al., 2019).

    As in "Improved precision and recall metric for assessing generative models", equations 1 and 2: a translation
    counts if it is in the ball of any test image of the target domain. It measures whether translations look real.
    """

    def __call__(self, generated: Tensor, real: Tensor, /) -> Tensor:
        """Return the share, a scalar in [0, 1], for `(N, D)` and `(M, D)` features; N and M are at least 2."""
        return self._in_balls(generated, real).any(1).double().mean()


class Recall(_NeighbourSets):
    """Share of the target domain that lies in the region of the translations (Kynkaanniemi et al., 2019).

    As in "Improved precision and recall metric for assessing generative models", equations 1 and 2: a test image of the
    target domain counts if it is in the ball of any translation. It measures whether translations are as varied.
    """

    def __call__(self, generated: Tensor, real: Tensor, /) -> Tensor:
        """Return the share, a scalar in [0, 1], for `(N, D)` and `(M, D)` features; N and M are at least 2."""
        return self._in_balls(real, generated).any(1).double().mean()


class Density(_NeighbourSets):
    """How densely the target domain surrounds translations (Naeem et al., 2020).

    As in "Reliable fidelity and diversity metrics for generative models", equation 3: the mean number of balls of test
    images of the target domain that a translation is in, divided by k. Unlike precision, an outlier of the target
    domain with its large ball counts little. The expectation is 1 for two sets from the same distribution, and values
    can be larger.
    """

    def __call__(self, generated: Tensor, real: Tensor, /) -> Tensor:
        """Return the density, a scalar, for `(N, D)` and `(M, D)` features; N and M are at least 2."""
        reached = min(self._neighbours, len(real) - 1)
        return self._in_balls(generated, real).double().sum(1).mean() / reached


class Coverage(_NeighbourSets):
    """Share of the target domain that has a translation near it (Naeem et al., 2020).

    As in "Reliable fidelity and diversity metrics for generative models", equation 4: a test image of the target domain
    counts if its own ball contains a translation. Unlike recall, outliers among the translations do not count. For two
    sets of the same size from the same distribution, the expectation is about 1 - 2^-k: 0.97 for k = 5.
    """

    def __call__(self, generated: Tensor, real: Tensor, /) -> Tensor:
        """Return the share, a scalar in [0, 1], for `(N, D)` and `(M, D)` features; N and M are at least 2."""
        return self._in_balls(generated, real).any(0).double().mean()
