"""Norms over a whole image: recognising their calls, accumulating statistics tile by tile, and applying the norms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_PARAMETERS: dict[Any, tuple[str, ...]] = {
    F.group_norm: ("input", "num_groups", "weight", "bias", "eps"),
    torch.group_norm: ("input", "num_groups", "weight", "bias", "eps"),
    F.instance_norm: ("input", "mean", "variance", "weight", "bias", "use_input_stats", "momentum", "eps"),
    torch.instance_norm: ("input", "weight", "bias", "mean", "variance", "use_input_stats", "momentum", "eps"),
}
"""The functions that torch's norms of single images call, with the names of their parameters in order."""


@dataclass(frozen=True)
class NormCall:
    """A call that normalises with the statistics of the whole image.

    Attributes:
        features: the input, `(N, C, H, W)`, or its node in the graph.
        groups: the number of channel groups, each with shared statistics; None if each channel has its own.
        weight: the scale of each channel, or None.
        bias: the shift of each channel, or None.
        eps: a small number that is added to the variance.
    """

    features: Any
    groups: int | None
    weight: Any
    bias: Any
    eps: float

    def with_parameters(self, weight: Any, bias: Any) -> NormCall:
        """Return a copy of the call with the given weight and bias."""
        return replace(self, weight=weight, bias=bias)


def norm_call(function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> NormCall | None:
    """Interpret a function call as a norm; return None if it does not use the statistics of an image."""
    names = _PARAMETERS.get(function)
    if names is None:
        return None
    given = {**dict(zip(names, arguments, strict=False)), **keywords}
    if not given.get("use_input_stats", True):
        return None
    get = given.get
    return NormCall(given["input"], get("num_groups"), get("weight"), get("bias"), get("eps", 1e-5))


class Moments:
    """Mean and variance of each channel, in float64, accumulated over parts of a feature map (Chan et al., 1979)."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = self._squares = torch.zeros(())
        """Per channel: the mean, and the sum of squared deviations from it."""

    def add(self, features: Tensor) -> None:
        """Add a part of the feature map, `(N, C, h, w)`."""
        count = features.numel() // features.shape[1]
        if count == 0:
            return
        # Once shifted close to zero, the values of a row can be summed in float32; the sums of rows are added up in
        # float64. Channels come last because summing is then five times as fast.
        rows = features.permute(0, 2, 3, 1).flatten(0, 1)
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
        shift = rows[:1].mean((0, 1))
        centred = rows - shift
        sums = centred.sum(1).double().sum(0)
        squares = centred.square_().sum(1).double().sum(0) - sums.square() / count
        self._merge(count, shift.double() + sums / count, squares)

    def _merge(self, count: int, mean: Tensor, squares: Tensor) -> None:
        total = self._count + count
        difference = mean - self._mean.to(mean.device)
        self._squares = self._squares.to(mean.device) + squares + difference.square() * (self._count * count / total)
        self._mean = self._mean.to(mean.device) + difference * (count / total)
        self._count = total

    def scale_and_shift(self, call: NormCall) -> Affine:
        """Return the scale and shift per channel, in float64, that a norm with these statistics applies."""
        mean, variance = self._mean, self._squares / self._count
        if call.groups is not None and call.groups < len(mean):
            grouped = (call.groups, len(mean) // call.groups)
            means, variances = mean.view(grouped), variance.view(grouped)
            group_mean = means.mean(1, keepdim=True)
            group_variance = variances.mean(1, keepdim=True) + (means - group_mean).square().mean(1, keepdim=True)
            mean = group_mean.expand(grouped).reshape(-1)
            variance = group_variance.expand(grouped).reshape(-1)
        scale = (variance.clamp_min(0) + call.eps).rsqrt()
        if call.weight is not None:
            scale = scale * call.weight.double()
        shift = -mean * scale
        if call.bias is not None:
            shift = shift + call.bias.double()
        return scale.view(1, -1, 1, 1), shift.view(1, -1, 1, 1)


Affine = tuple[Tensor, Tensor]
"""Scale and shift per channel, both `(1, C, 1, 1)`."""


def apply_affine(features: Tensor, affine: Affine) -> Tensor:
    """Scale and shift features, computing in float32 or higher precision; return them in their original dtype."""
    scale, shift = affine
    if features.dtype in (torch.float16, torch.bfloat16):
        return torch.addcmul(shift.float(), features.float(), scale.float()).to(features.dtype)
    return torch.addcmul(shift.to(features.dtype), features, scale.to(features.dtype))
