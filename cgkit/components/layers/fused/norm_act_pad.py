"""Instance norm, activation, residual sum and reflection padding as one operation.

On a GPU, these steps take as long as the convolutions if each is an operation of its own, because each reads and writes
all features. Triton computes them in one pass over memory, in channels_last, each way. Without Triton, and on a CPU,
the same function consists of torch's operations.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cgkit.components.layers.fused.operations import NormActPad
from cgkit.components.layers.normalisation import normalise
from cgkit.components.layers.padding import ReflectionPadding

_HAS_TRITON = importlib.util.find_spec("triton") is not None
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)

_on_every_device: ContextVar[bool] = ContextVar("on_every_device", default=False)


@contextmanager
def triton_on_every_device() -> Iterator[None]:
    """Use Triton's kernels on a CPU as well, for tests with Triton's interpreter (`TRITON_INTERPRET=1`)."""
    token = _on_every_device.set(True)
    try:
        yield
    finally:
        _on_every_device.reset(token)


def uses_triton(features: object) -> bool:
    """Return whether `norm_act_pad` computes these features with Triton: on a GPU, in at most 32 bits.

    Compilers, exporters and tracers see torch's operations.
    """
    return (
        isinstance(features, Tensor)
        and _HAS_TRITON
        and (features.is_cuda or _on_every_device.get())
        and features.dtype in _DTYPES
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        and _works_on(features.device)
    )


@cache
def _works_on(device: torch.device) -> bool:
    """Try Triton on a device; warn if it does not work there, for example because there is no C compiler."""
    from cgkit.components.layers.fused import launches

    try:
        launches.forward(torch.zeros(1, 2, 2, 16, device=device), None, None, None, NormActPad(), torch.float32)
    except Exception as error:  # noqa: BLE001 - whatever its compiler raises, torch's operations still work
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        warnings.warn(f"Triton does not work on {device}, so layers are slower there: {reason}", stacklevel=3)
        return False
    return True


def norm_act_pad(
    features: Tensor,
    what: NormActPad,
    *,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the padded features, and the same features without padding, which share their memory.

    Args:
        features: `(N, C, H, W)`.
        what: the operations to compute.
        weight: the scales of the norm, `(C,)`; given together with `bias`.
        bias: the shifts of the norm, `(C,)`.
        residual: added after the activation, `(N, C, H, W)`.
        dtype: the dtype of the result; by default that of the features.
    """
    dtype = dtype or features.dtype
    if uses_triton(features):
        padded, plain = _Fused.apply(features, weight, bias, residual, what, dtype)
        return padded, (padded if plain is None else plain)
    return _compose(features, what, weight, bias, residual, dtype)


def _compose(
    features: Tensor,
    what: NormActPad,
    weight: Tensor | None,
    bias: Tensor | None,
    residual: Tensor | None,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """Compute the function with torch's operations."""
    if what.norm:
        features = normalise(features, weight, bias, what.eps)
    if what.slope != 1:
        features = F.leaky_relu(features, what.slope)
    if residual is not None:
        features = features + residual
    features = padded = features.to(dtype)
    if what.padding:
        padded = ReflectionPadding(what.padding)(padded)
    if what.extra_columns:
        padded = F.pad(padded, (0, what.extra_columns))
    return padded, features


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        features: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        residual: Tensor | None,
        what: NormActPad,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor | None]:
        from cgkit.components.layers.fused import launches as launch

        x = to_nhwc(features)
        added = None if residual is None else _with_dense_channels(residual)
        y, statistics = launch.forward(x, weight, bias, added, what, dtype)
        context.set_materialize_grads(False)
        context.what, context.dtypes = what, (features.dtype, None if residual is None else residual.dtype, dtype)
        context.save_for_backward(features, weight, bias, residual, x, *statistics)
        padded = y.permute(0, 3, 1, 2)
        return padded, _interior(padded, what) if what.padding or what.extra_columns else None

    @staticmethod
    def backward(context: Any, gradient: Tensor | None, plain_gradient: Tensor | None) -> tuple[Tensor | None, ...]:
        from cgkit.components.layers.fused import launches as launch

        features, weight, bias, residual, x, *statistics = context.saved_tensors
        what, dtype = context.what, context.dtypes[2]
        if torch.is_grad_enabled():  # double backward
            return _differentiate(context, (features, weight, bias, residual), gradient, plain_gradient, dtype)
        if gradient is None:
            if plain_gradient is None:
                return (None,) * 6
            what = NormActPad(what.norm, what.slope, eps=what.eps)
            gradient, plain_gradient = plain_gradient, None
        plain = None if plain_gradient is None else _with_dense_channels(plain_gradient)
        to_x, to_weight, to_bias, to_residual = launch.backward(
            x, weight, bias, statistics, to_nhwc(gradient), plain, what, context.dtypes[1]
        )
        return (
            to_x.permute(0, 3, 1, 2),
            None if to_weight is None else to_weight.to(weight.dtype),
            None if to_bias is None else to_bias.to(bias.dtype),
            None if to_residual is None else to_residual.permute(0, 3, 1, 2),
            None,
            None,
        )


def _differentiate(
    context: Any,
    inputs: tuple[Tensor | None, ...],
    gradient: Tensor | None,
    plain_gradient: Tensor | None,
    dtype: torch.dtype,
) -> tuple[Tensor | None, ...]:
    """Return the gradients as functions that can be differentiated again, by torch's operations."""
    features, weight, bias, residual = inputs
    assert features is not None
    outputs = _compose(features, context.what, weight, bias, residual, dtype)
    given = [(output, g) for output, g in zip(outputs, (gradient, plain_gradient), strict=True) if g is not None]
    wanted = zip(inputs, context.needs_input_grad, strict=False)
    needed = [tensor for tensor, is_needed in wanted if tensor is not None and is_needed]
    gradients = iter(
        torch.autograd.grad([output for output, _ in given], needed, [g for _, g in given], create_graph=True)
    )
    return (*(next(gradients) if is_needed else None for is_needed in context.needs_input_grad[:4]), None, None)


def to_nhwc(images: Tensor) -> Tensor:
    """Return `(N, C, H, W)` as contiguous `(N, H, W, C)`; images in channels_last are not copied."""
    return images.permute(0, 2, 3, 1).contiguous()


def _with_dense_channels(images: Tensor) -> Tensor:
    """Return `(N, C, H, W)` as `(N, H, W, C)` with adjacent channels; images in channels_last are not copied."""
    nhwc = images.permute(0, 2, 3, 1)
    return nhwc if nhwc.stride(3) == 1 else nhwc.contiguous()


def _interior(padded: Tensor, what: NormActPad) -> Tensor:
    """Return the features without padding, in the same memory, but as a result of its own for autograd."""
    pad = what.padding
    height, width = padded.shape[2] - 2 * pad, padded.shape[3] - 2 * pad - what.extra_columns
    inside = padded[:, :, pad : pad + height, pad : pad + width]
    return padded.new_empty(0).set_(padded.untyped_storage(), inside.storage_offset(), inside.shape, inside.stride())
