"""Statistics of a generator's norms, collected over some images and applied to others, such as frames of a video."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cgkit.tiling.norms import Moments, NormCall, apply_affine, norm_call

_LARGE = 400 * 400
"""For feature maps of at least this many pixels, torch's sums are too imprecise: outputs are off by 1e-5."""


class Statistics:
    """Mean and variance of the input of each norm of a generator, over several images.

    Norms are calls of torch's `group_norm` and `instance_norm`, identified by their order in the forward pass.
    """

    def __init__(self) -> None:
        self._moments: list[Moments] = []

    def collecting(self) -> TorchFunctionMode:
        """Return a context for one forward pass, in which the inputs of the norms are added to the statistics."""

        def collect(number: int, call: NormCall, compute: Callable[[], Any]) -> Any:
            if number == len(self._moments):
                self._moments.append(Moments())
            self._moments[number].add(call.features)
            return compute()

        return _InterceptedNorms(collect)

    def frozen(self) -> TorchFunctionMode:
        """Return a context for one forward pass, in which norms use these statistics instead of those of their inputs.

        Every output value then depends on nearby pixels only.
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
    """Return a context in which norms of large feature maps are as precise in channels_last as in NCHW.

    On a CPU, torch sums a whole channels_last map in float32: at 1024 x 1024 pixels, a norm's output is off by 1e-3.
    The context has no effect within `Statistics.collecting` and `Statistics.frozen`.
    """
    if _InterceptedNorms.active.count:
        return nullcontext()

    return _InterceptedNorms(_normalise)


def _normalise(number: int, call: NormCall, compute: Callable[[], Any]) -> Any:
    """Normalise a large channels_last map with sums over parts of it; leave all others to torch."""
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


class _Active(threading.local):
    """The number of `_InterceptedNorms` contexts that are active in a thread."""

    count = 0


class _InterceptedNorms(TorchFunctionMode):
    """Replaces every norm in a forward pass with a call to `replacement`, which gets the index of the norm."""

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
