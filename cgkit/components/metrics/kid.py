"""Kernel distance between translations and the target domain (KID)."""

from __future__ import annotations

from torch import Tensor

from cgkit.components.metrics.sets import FeatureSets


class KernelDistance(FeatureSets):
    """Unbiased estimate of the kernel distance to the target domain (Binkowski et al., 2018).

    As in "Demystifying MMD GANs", the squared maximum mean discrepancy with the kernel (x.y / D + 1)^3 is estimated
    from all pairs of different images, so that the estimate's expectation does not depend on the number of images. For
    two sets from the same distribution, the expectation is 0, so individual values may be slightly negative.
    """

    def __call__(self, generated: Tensor, real: Tensor, /) -> Tensor:
        """Return the distance, a scalar, between `(N, D)` and `(M, D)` features; N and M are at least 2."""
        generated, real = generated.double(), real.double()
        return _mean_over_pairs(generated) + _mean_over_pairs(real) - 2 * _kernel(generated, real).mean()


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _mean_over_pairs(rows: Tensor) -> Tensor:
    count = len(rows)
    kernel = _kernel(rows, rows)
    return (kernel.sum() - kernel.trace()) / (count * (count - 1))
