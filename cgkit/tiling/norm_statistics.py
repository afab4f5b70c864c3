"""Statistics of a generator's norms: computing them piece by piece, and applying those of some images to others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_LARGE = 400 * 400
"""Pixels of a map from which on torch's sums are too imprecise: there, the output is off by 1e-5 of its range."""


class Statistics:
    """Mean and variance of the input of each norm of a generator, over several images.

    Norms are calls of torch's `group_norm` and `instance_norm`, identified by their order in the forward pass.
    """

    def __init__(self) -> None:
        self._moments: list[Moments] = []

    def collecting(self) -> TorchFunctionMode:
        """Return a context for one forward pass, which adds its images to the statistics."""

        def collect(number: int, call: NormCall, compute: Callable[[], Any]) -> Any:
            if number == len(self._moments):
                self._moments.append(Moments())
            self._moments[number].add(call.features)
            return compute()

        return _InterceptedNorms(collect)

    def frozen(self) -> TorchFunctionMode:
        """Return a context for one forward pass, which normalises with these statistics instead of its images' own.

        Every value then depends on nearby pixels only.
        """

        def freeze(number: int, call: NormCall, compute: Callable[[], Any]) -> Any:
            return apply_affine(call.features, self._moments[number].scale_and_shift(call))

        return _InterceptedNorms(freeze)


def statistics_of(generator: nn.Module, images: Iterable[Tensor]) -> Statistics:
    """Compute the statistics of a generator over images, each `(N, C, H, W)` in [-1, 1] on the generator's device."""
    statistics = Statistics()
    with torch.inference_mode():
        for image in images:
            with statistics.collecting():
                generator(image)
    return statistics


def precise() -> AbstractContextManager[object]:
    """Return a context in which norms of large maps are as precise in channels_last as in NCHW.

    On a CPU, torch sums a whole channels_last map in float32: at 1024x1024 pixels, the result is off by 1e-3. The
    context has no effect within `Statistics.collecting` and `Statistics.frozen`.
    """
    if _InterceptedNorms.active.count:
        return nullcontext()

    def normalise(number: int, call: NormCall, compute: Callable[[], Any]) -> Any:
        features = call.features
        if features.dtype != torch.float32 or features.ndim != 4 or features[0, 0].numel() < _LARGE:
            return compute()
        if not features.is_contiguous(memory_format=torch.channels_last):
            return compute()
        output = torch.empty_like(features)
        for image, normalised in zip(torch.split(features, 1), torch.split(output, 1), strict=True):
            moments = Moments()
            for rows in torch.split(image, 64, 2):
                moments.add(rows)
            affine = moments.scale_and_shift(call)
            for rows, target in zip(torch.split(image, 64, 2), torch.split(normalised, 64, 2), strict=True):
                target.copy_(apply_affine(rows, affine))
        return output

    return _InterceptedNorms(normalise)


class _Active(threading.local):
    """The number of `_InterceptedNorms` contexts that are active in a thread."""

    count = 0


class _InterceptedNorms(TorchFunctionMode):
    """Calls a function instead of each norm, with the norm's number in the forward pass."""

    active = _Active()

    def __init__(self, replacement: Callable[[int, NormCall, Callable[[], Any]], Any]) -> None:
        super().__init__()
        self._replacement = replacement
        self._number = 0

    def __enter__(self) -> Self:
        self.active.count += 1
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)  # type: ignore[no-untyped-call]
        self.active.count -= 1

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        keywords = kwargs or {}
        call = norm_call(function, args, keywords)
        if call is None:
            return function(*args, **keywords)
        self._number += 1
        return self._replacement(self._number - 1, call, lambda: function(*args, **keywords))


_PARAMETERS: dict[Any, tuple[str, ...]] = {
    F.group_norm: ("input", "num_groups", "weight", "bias", "eps"),
    torch.group_norm: ("input", "num_groups", "weight", "bias", "eps"),
    F.instance_norm: ("input", "mean", "variance", "weight", "bias", "use_input_stats", "momentum", "eps"),
    torch.instance_norm: ("input", "weight", "bias", "mean", "variance", "use_input_stats", "momentum", "eps"),
}
"""The functions behind all torch norms of a single image, with the names of their parameters."""


@dataclass(frozen=True)
class NormCall:
    """A call that normalises with the statistics of the whole image.

    Attributes:
        features: its input, `(N, C, H, W)`, or the graph node of its input.
        groups: the number of groups of channels that share statistics; None if each channel has its own.
        weight: the scale of each channel, or None.
        bias: the shift of each channel, or None.
        eps: added to the variance.
    """

    features: Any
    groups: int | None
    weight: Any
    bias: Any
    eps: float

    def with_parameters(self, weight: Any, bias: Any) -> NormCall:
        """Return the same call with another weight and bias."""
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
    """Mean and variance of each channel, in float64, accumulated over pieces of a map (Chan et al., 1979)."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = self._squares = torch.zeros(())
        """Per channel: the mean, and the sum of squared deviations from it."""

    def add(self, features: Tensor) -> None:
        """Add a piece `(N, C, h, w)`."""
        count = features.numel() // features.shape[1]
        if count == 0:
            return
        # Values near zero can be summed in float32 within a row, and rows in float64. Channels are last because
        # summing is then five times as fast.
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
        """Return a norm with these statistics as a scale and a shift per channel, in float64."""
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
    """Scale and shift features; compute in float32 at least, and keep the dtype."""
    scale, shift = affine
    if features.dtype in (torch.float16, torch.bfloat16):
        return torch.addcmul(shift.float(), features.float(), scale.float()).to(features.dtype)
    return torch.addcmul(shift.to(features.dtype), features, scale.to(features.dtype))
