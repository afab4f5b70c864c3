"""Kernel Inception distance between translations and the target domain."""

from __future__ import annotations

from torch import Tensor

from cgkit.components.metrics.sets import FeatureSets


class KernelDistance(FeatureSets):
    """Kernel distance of two sets of features, without bias.

    Binkowski et al., 2018 ("Demystifying MMD GANs"): the squared maximum mean discrepancy with the kernel
    (x.y / D + 1)^3, estimated from all pairs of different images, so that few images give no other value on average
    than many. Two sets of one kind have 0 on average, and may be a little below it.
    """

    def __call__(self, made: Tensor, real: Tensor, /) -> Tensor:
        """Return the distance, a scalar, of two sets `(N, D)` and `(M, D)` of two images at least."""
        made, real = made.double(), real.double()
        return _mean_of_others(made) + _mean_of_others(real) - 2 * _kernel(made, real).mean()


def _kernel(one: Tensor, other: Tensor) -> Tensor:
    return (one @ other.T / one.shape[1] + 1) ** 3


def _mean_of_others(rows: Tensor) -> Tensor:
    count = len(rows)
    kernel = _kernel(rows, rows)
    return (kernel.sum() - kernel.trace()) / (count * (count - 1))
