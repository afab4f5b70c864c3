"""Reconstruction losses that keep or break their contract."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tests.testing.broken.registry import breaks, breaks_only, good


@good("reconstruction_losses")
class Distance:
    """Mean absolute difference."""

    def __call__(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        return (reconstruction - target).abs().mean()


@breaks_only("reconstruction_losses", "distances-are-scalars")
class NotAveraged(Distance):
    """Returns one distance per image."""

    def __call__(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        return (reconstruction - target).abs().mean((1, 2, 3))[None]


@breaks_only("reconstruction_losses", "distances-stay-finite")
class RootMeanSquare(Distance):
    """The root of the mean square, whose gradient at zero is infinite."""

    def __call__(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        return (reconstruction - target).square().mean().sqrt()


@breaks_only("reconstruction_losses", "equal-images-are-nearest")
class AtLeastOne(Distance):
    """Is one for equal images."""

    def __call__(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        return 1 + super().__call__(reconstruction, target)


@breaks("reconstruction_losses", "equal-images-are-nearest")
class AlwaysZero(Distance):
    """Is zero for any images."""

    def __call__(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        return super().__call__(reconstruction, target) * 0


@breaks_only("reconstruction_losses", "distances-agree-with-float64")
class ImpreciseInFloat32(Distance):
    """Has a large error in float32."""

    def __call__(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        difference = (reconstruction - target).square()
        if difference.dtype == torch.float32:
            difference = difference * (1 + 0.05 * (difference.detach() > 1))
        return difference.mean()


@breaks("reconstruction_losses", "is-decided-by-torchs-seed")
class OwnRandomness(Distance):
    """Has a random generator of its own."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)

    def __call__(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        return super().__call__(reconstruction, target) * (1 + float(self.random.random()))
