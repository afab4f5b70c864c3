"""The statistics that a generator normalises with, taken from some images and used for others."""

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
"""Pixels of a map from which on torch's sums are too rough: there, an image is off by 1e-5 of its range."""


class Statistics:
    """Mean and variance of what each norm of a generator is given, over all images seen so far.

    Norms are those that torch's `group_norm` and `instance_norm` compute, in the order in which they are called.
    """

    def __init__(self) -> None:
        self._moments: list[Moments] = []

    def collecting(self) -> TorchFunctionMode:
        """Return the context in which one forward pass is taken in; it computes what it would compute without."""

        def collect(number: int, call: NormCall, compute: Callable[[], Any]) -> Any:
            if number == len(self._moments):
                self._moments.append(Moments())
            self._moments[number].add(call.features)
            return compute()

        return _Norms(collect)

    def frozen(self) -> TorchFunctionMode:
        """Return the context in which one forward pass normalises with these statistics, whatever its images.

        Then no value depends on more of an image than its surroundings.
        """

        def freeze(number: int, call: NormCall, compute: Callable[[], Any]) -> Any:
            return apply_affine(call.features, self._moments[number].scale_and_shift(call))

        return _Norms(freeze)


def statistics_of(generator: nn.Module, images: Iterable[Tensor]) -> Statistics:
    """Return the statistics of a generator over images, each `(N, C, H, W)` in [-1, 1] on the generator's device."""
    statistics = Statistics()
    with torch.inference_mode():
        for image in images:
            with statistics.collecting():
                generator(image)
    return statistics


def precise() -> AbstractContextManager[object]:
    """Return the context in which norms of large maps are as precise in channels_last as in NCHW.

    There, on a CPU, torch adds up a whole map in float32: at 1024x1024 pixels, what it normalises is off by 1e-3.
    Where statistics are being collected, or are frozen, it changes nothing.
    """
    if _Norms.open.count:
        return nullcontext()

    def normalise(number: int, call: NormCall, compute: Callable[[], Any]) -> Any:
        features = call.features
        if features.dtype != torch.float32 or features.ndim != 4 or features[0, 0].numel() < _LARGE:
            return compute()
        if not features.is_contiguous(memory_format=torch.channels_last):
            return compute()
        made = torch.empty_like(features)
        for image, normalised in zip(torch.split(features, 1), torch.split(made, 1), strict=True):
            moments = Moments()
            for rows in torch.split(image, 64, 2):
                moments.add(rows)
            affine = moments.scale_and_shift(call)
            for rows, into in zip(torch.split(image, 64, 2), torch.split(normalised, 64, 2), strict=True):
                into.copy_(apply_affine(rows, affine))
        return made

    return _Norms(normalise)


class _Open(threading.local):
    """How many of these contexts a thread is in."""

    count = 0


class _Norms(TorchFunctionMode):
    """Calls something else in place of each norm, with its number in the pass."""

    open = _Open()

    def __init__(self, called: Callable[[int, NormCall, Callable[[], Any]], Any]) -> None:
        super().__init__()
        self._called = called
        self._number = 0

    def __enter__(self) -> Self:
        self.open.count += 1
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)  # type: ignore[no-untyped-call]
        self.open.count -= 1

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        keywords = kwargs or {}
        call = norm_call(function, args, keywords)
        if call is None:
            return function(*args, **keywords)
        self._number += 1
        return self._called(self._number - 1, call, lambda: function(*args, **keywords))


_PARAMETERS: dict[Any, tuple[str, ...]] = {
    F.group_norm: ("input", "num_groups", "weight", "bias", "eps"),
    torch.group_norm: ("input", "num_groups", "weight", "bias", "eps"),
    F.instance_norm: ("input", "mean", "variance", "weight", "bias", "use_input_stats", "momentum", "eps"),
    torch.instance_norm: ("input", "weight", "bias", "mean", "variance", "use_input_stats", "momentum", "eps"),
}
"""The functions that all of torch's norms of a single image end in, and what their arguments are called."""


@dataclass(frozen=True)
class NormCall:
    """A call that normalises with the statistics of the whole image.

    Attributes:
        features: what is normalised, `(N, C, H, W)`, or what stands for it in a graph.
        groups: channels are normalised together in so many groups; None for each by itself.
        weight: the scale of each channel, or None.
        bias: the shift of each channel, or None.
        eps: what is added to the variance.
    """

    features: Any
    groups: int | None
    weight: Any
    bias: Any
    eps: float

    def with_parameters(self, weight: Any, bias: Any) -> NormCall:
        """Return the same call with other scales and shifts."""
        return replace(self, weight=weight, bias=bias)


def norm_call(function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> NormCall | None:
    """Return what a call of one of torch's functions normalises, or None where it uses no statistics of the image."""
    names = _PARAMETERS.get(function)
    if names is None:
        return None
    given = {**dict(zip(names, arguments, strict=False)), **keywords}
    if not given.get("use_input_stats", True):
        return None
    get = given.get
    return NormCall(given["input"], get("num_groups"), get("weight"), get("bias"), get("eps", 1e-5))


class Moments:
    """Mean and variance of each channel, in float64, of features that come in pieces (Chan et al., 1979)."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = self._squares = torch.zeros(())
        """Of each channel: the mean, and the sum of the squared distances from it."""

    def add(self, features: Tensor) -> None:
        """Take in `(N, C, h, w)`."""
        count = features.numel() // features.shape[1]
        if count == 0:
            return
        # What is near zero can be summed up in float32, a row at a time, and rows in float64. The channels of a pixel
        # lie together: summing rows with them last is five times as fast.
        rows = features.permute(0, 2, 3, 1).flatten(0, 1)
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
        shift = rows[:1].mean((0, 1))
        near = rows - shift
        sums = near.sum(1).double().sum(0)
        squares = near.square_().sum(1).double().sum(0) - sums.square() / count
        self._merge(count, shift.double() + sums / count, squares)

    def _merge(self, count: int, mean: Tensor, squares: Tensor) -> None:
        both = self._count + count
        apart = mean - self._mean.to(mean.device)
        self._squares = self._squares.to(mean.device) + squares + apart.square() * (self._count * count / both)
        self._mean = self._mean.to(mean.device) + apart * (count / both)
        self._count = both

    def scale_and_shift(self, call: NormCall) -> tuple[Tensor, Tensor]:
        """Return what each channel is multiplied by, and what is added then, `(1, C, 1, 1)` in float64."""
        mean, variance = self._mean, self._squares / self._count
        if call.groups is not None and call.groups < len(mean):
            together = (call.groups, len(mean) // call.groups)
            means, variances = mean.view(together), variance.view(together)
            of_group = means.mean(1, keepdim=True)
            of_groups_variance = variances.mean(1, keepdim=True) + (means - of_group).square().mean(1, keepdim=True)
            mean = of_group.expand(together).reshape(-1)
            variance = of_groups_variance.expand(together).reshape(-1)
        scale = (variance.clamp_min(0) + call.eps).rsqrt()
        if call.weight is not None:
            scale = scale * call.weight.double()
        shift = -mean * scale
        if call.bias is not None:
            shift = shift + call.bias.double()
        return scale.view(1, -1, 1, 1), shift.view(1, -1, 1, 1)


Affine = tuple[Tensor, Tensor]
"""Scale and shift of each channel, `(1, C, 1, 1)`."""


def apply_affine(features: Tensor, affine: Affine) -> Tensor:
    """Return features scaled and shifted, in their own type; computed in float32 at least."""
    scale, shift = affine
    if features.dtype in (torch.float16, torch.bfloat16):
        return torch.addcmul(shift.float(), features.float(), scale.float()).to(features.dtype)
    return torch.addcmul(shift.to(features.dtype), features, scale.to(features.dtype))
