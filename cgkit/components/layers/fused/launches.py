"""Launch the Triton kernels of `norm_act_pad` with block sizes that suit the features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from cgkit.components.layers.fused import kernels
from cgkit.components.layers.fused.operations import NormActPad


@dataclass(frozen=True)
class Tuning:
    """How the work is divided, measured on an H200; see `benchmarks/README.md`.

    Attributes:
        elements: values in a block, pixels times channels.
        channels: the most channels in a block.
        programs: the number of programs to aim for when sums are split.
        tiles: blocks that one program handles if it need not add up sums.
        warps: warps in a program.
    """

    elements: int = 4096
    channels: int = 64
    programs: int = 1024
    tiles: int = 4
    warps: int = 4


TUNING = Tuning()


def forward(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    residual: Tensor | None,
    what: NormActPad,
    dtype: torch.dtype,
) -> tuple[Tensor, list[Tensor]]:
    """Return the result, `(N, H, W, C)`, and if there is a norm, the mean and 1 / deviation of each map, `(N, C)`.

    Args:
        x: the features, contiguous `(N, H, W, C)`.
        weight: the scales of the norm.
        bias: the shifts of the norm.
        residual: `(N, H, W, C)` with adjacent channels.
        what: the operations to compute.
        dtype: the dtype of the result.
    """
    count, height, width, channels = x.shape
    pixels, tuning = height * width, TUNING
    bc = _channel_block(channels)
    bp = max(1, tuning.elements // bc)
    blocks = triton.cdiv(channels, bc)
    columns = width + 2 * what.padding + what.extra_columns
    y = x.new_empty((count, height + 2 * what.padding, columns, channels), dtype=dtype)
    statistics: list[Tensor] = []
    parts, splits, per_split = x, 1, pixels
    if what.norm:
        splits = min(_count_splits(count * blocks, pixels), int(triton.cdiv(pixels, bp)))
        per_split = triton.cdiv(triton.cdiv(pixels, splits), bp) * bp
        splits = triton.cdiv(pixels, per_split)
        parts = x.new_empty((count, splits, 2, channels), dtype=torch.float32)
        statistics = [x.new_empty((count, channels), dtype=torch.float32) for _ in range(2)]
        kernels.statistics_kernel[(count, splits, blocks)](
            x, parts, pixels, channels, splits, per_split, BP=bp, BC=bc, num_warps=tuning.warps
        )
    mean, rstd = statistics or (x, x)
    added = x if residual is None else residual
    grid = (count, triton.cdiv(y.shape[1] * columns, bp * tuning.tiles), blocks)
    kernels.apply_kernel[grid](
        x, parts, mean, rstd, x if weight is None else weight, x if bias is None else bias, added, y,
        height, width, channels, y.shape[1], columns, splits, per_split, *added.stride()[:3],
        what.eps, what.slope,
        PAD=what.padding, NORM=what.norm, AFFINE=weight is not None, ACTIVATE=what.slope != 1,
        RESIDUAL=residual is not None, TILES=tuning.tiles, BP=bp, BC=bc, BS=triton.next_power_of_2(splits),
        num_warps=tuning.warps,
    )  # fmt: skip
    return y, statistics


def backward(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    statistics: Sequence[Tensor],
    gradient: Tensor,
    skip: Tensor | None,
    what: NormActPad,
    residual_dtype: torch.dtype | None,
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients of the features, weight, bias and residual.

    Args:
        x: the features, contiguous `(N, H, W, C)`.
        weight: the scales of the norm.
        bias: the shifts of the norm.
        statistics: the mean and 1 / deviation of each map, if there is a norm.
        gradient: the gradient of the padded result, contiguous `(N, H, W, C)`.
        skip: the gradient of the result without padding, `(N, H, W, C)` with adjacent channels.
        what: the operations that were computed.
        residual_dtype: the dtype of the residual; None if there is none.
    """
    count, height, width, channels = x.shape
    tuning = TUNING
    bc = _channel_block(channels)
    bw = min(triton.next_power_of_2(width), max(1, tuning.elements // bc))
    blocks = triton.cdiv(channels, bc)
    splits = min(_count_splits(count * blocks, height * width), height)
    rows = triton.cdiv(height, splits)
    splits = triton.cdiv(height, rows)
    to_x = torch.empty_like(x)
    to_residual = None if residual_dtype is None else torch.empty_like(x, dtype=residual_dtype)
    mean, rstd = statistics or (x, x)
    skipped = x if skip is None else skip
    parts = x.new_empty((count, splits, 2, channels) if what.norm else (1,), dtype=torch.float32)
    shared = (
        x, gradient, skipped, mean, rstd, x if weight is None else weight, x if bias is None else bias,
        x if to_residual is None else to_residual, parts,
    )  # fmt: skip
    sizes = (height, width, channels, gradient.shape[2])
    flags = {
        "PAD": what.padding, "AFFINE": weight is not None, "ACTIVATE": what.slope != 1,
        "RESIDUAL": to_residual is not None, "SKIP": skip is not None, "BW": bw, "BC": bc, "num_warps": tuning.warps,
    }  # fmt: skip
    if what.norm:
        kernels.gradient_sums_kernel[(count, splits, blocks)](
            *shared, *sizes, splits, rows, *skipped.stride()[:3], what.slope, **flags
        )
    tile_rows = max(1, tuning.tiles * tuning.elements // bc // bw)
    kernels.gradient_kernel[(count, triton.cdiv(height, tile_rows), blocks)](
        *shared, to_x, *sizes, splits, tile_rows, *skipped.stride()[:3], what.slope,
        NORM=what.norm, BS=triton.next_power_of_2(splits), **flags,
    )  # fmt: skip
    if weight is None:
        return to_x, None, None, to_residual
    to_bias, to_weight = parts.sum((0, 1))
    return to_x, to_weight, to_bias, to_residual


def _channel_block(channels: int) -> int:
    return min(TUNING.channels, max(16, int(triton.next_power_of_2(channels))))


def _count_splits(others: int, pixels: int) -> int:
    """Return into how many parts to split sums over `pixels` if there are `others` independent sums.

    Every program that uses a sum adds up its parts, so there are more of them only in larger maps.
    """
    return max(1, min(math.isqrt(pixels) // 2, int(triton.cdiv(TUNING.programs, others))))
