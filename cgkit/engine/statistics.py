"""The statistics that a generator normalises with, taken from some images and used for others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cgkit.engine.norms import Moments, NormCall, apply_affine, norm_call

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
