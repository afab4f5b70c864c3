"""The statistics that a generator normalises with, taken from some images and used for others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cgkit.engine.norms import Moments, NormCall, apply_affine, norm_call


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


class _Norms(TorchFunctionMode):
    """Calls something else in place of each norm, with its number in the pass."""

    def __init__(self, called: Callable[[int, NormCall, Callable[[], Any]], Any]) -> None:
        super().__init__()
        self._called = called
        self._number = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        keywords = kwargs or {}
        call = norm_call(function, args, keywords)
        if call is None:
            return function(*args, **keywords)
        self._number += 1
        return self._called(self._number - 1, call, lambda: function(*args, **keywords))
