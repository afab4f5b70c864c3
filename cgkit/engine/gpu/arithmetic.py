"""How a GPU computes: with full or rounded factors, and with or without deterministic algorithms."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cgkit.engine.precision import Precision

_CUBLAS = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
"""The setting without which cuBLAS may add in any order; it is read when the first matrix is multiplied."""


@contextmanager
def arithmetic(precision: Precision, *, deterministic: bool) -> Iterator[None]:
    """Set how torch trains on a GPU, for a `with` block; on a CPU, results are deterministic anyway.

    Args:
        precision: whether the factors of fp32 products are rounded; see `Precision.products`.
        deterministic: whether to use only algorithms with reproducible results, and to warn of operations that have
            none. If not, cuDNN chooses the fastest algorithms by trying them.
    """
    if precision.device.type != "cuda":
        yield
        return
    cudnn, filling = torch.backends.cudnn, torch.utils.deterministic
    before = cudnn.deterministic, cudnn.benchmark
    filled = filling.fill_uninitialized_memory  # type: ignore[attr-defined]
    cudnn.deterministic, cudnn.benchmark = deterministic, not deterministic
    filling.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if deterministic:
        os.environ.setdefault(*_CUBLAS)
    try:
        with precision.products(), deterministic_algorithms(deterministic):
            yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
        filling.fill_uninitialized_memory = filled  # type: ignore[attr-defined]


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """Let torch use only deterministic algorithms, or any, for a `with` block; it warns of operations without one."""
    before = torch.are_deterministic_algorithms_enabled()
    warned_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(wanted, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned_only)
