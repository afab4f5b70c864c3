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
def arithmetic(precision: Precision, *, deterministic: bool | None = None) -> Iterator[None]:
    """Set how torch computes on a GPU, for a `with` block; on a CPU, results are deterministic anyway.

    Args:
        precision: with `tf32`, the factors of fp32 products are rounded to 10 bits, which torch by default does for
            convolutions. With any other precision, they are not.
        deterministic: True uses only algorithms with reproducible results, and warns of operations that have none.
            False lets cuDNN choose the fastest algorithms by trying them. None leaves these settings as they are.
    """
    if precision.device.type != "cuda":
        yield
        return
    cudnn, matmul, filling = torch.backends.cudnn, torch.backends.cuda.matmul, torch.utils.deterministic
    before = cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.deterministic, cudnn.benchmark  # type: ignore[attr-defined]
    was_deterministic, warned_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    filled = filling.fill_uninitialized_memory  # type: ignore[attr-defined]
    cudnn.conv.fp32_precision = matmul.fp32_precision = "tf32" if precision.name == "tf32" else "ieee"  # type: ignore[attr-defined]
    if deterministic is not None:
        cudnn.deterministic, cudnn.benchmark = deterministic, not deterministic
        torch.use_deterministic_algorithms(deterministic, warn_only=True)
        filling.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        if deterministic:
            os.environ.setdefault(*_CUBLAS)
    try:
        yield
    finally:
        cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.deterministic, cudnn.benchmark = before  # type: ignore[attr-defined]
        torch.use_deterministic_algorithms(was_deterministic, warn_only=warned_only)
        filling.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
