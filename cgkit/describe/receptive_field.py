"""The receptive field of a network: the input pixels on which one output value depends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

LEFT_OUT = frozenset(
    {
        # Norms are skipped, because their statistics make every value depend slightly on the whole image.
        F.group_norm,
        F.instance_norm,
        F.batch_norm,
        F.layer_norm,
        torch.group_norm,
        torch.instance_norm,
        torch.batch_norm,
        torch.layer_norm,
        # These functions hide dependencies wherever their output is zero.
        F.relu,
        torch.relu,
        torch.relu_,
        F.dropout,
        F.dropout2d,
    }
)
"""Functions that are skipped, because they would distort the measurement; they move no values between pixels."""


class _SkippedFunctions(TorchFunctionMode):
    def __torch_function__(
        self, function: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        return args[0] if function in LEFT_OUT else function(*args, **(kwargs or {}))


@dataclass(frozen=True)
class ReceptiveField:
    """The part of the input on which one output value depends.

    Attributes:
        across: height or width of the field in pixels, whichever is larger; None if the field reaches the border of the
            test image.
        apart: the distance between the fields of neighbouring output values in pixels; None if unknown.
    """

    across: int | None
    apart: int | None


def receptive_field(network: nn.Module, channels: int, size: int) -> ReceptiveField:
    """Measure a network's receptive field by the gradients of the middle output value and of the value next to it.

    Norms are skipped, because their statistics make every value depend slightly on every pixel. For a discriminator
    with several scales, the largest field is returned.

    Args:
        network: the network; its weights may be arbitrary, but not zero.
        channels: number of channels of the images that the network accepts.
        size: height and width of the test image in pixels.

    Raises:
        ValueError: the network does not accept images of that size.
    """
    images = torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with torch.random.fork_rng(devices=[]), _SkippedFunctions():
        output = network(images)
    fields = [_measure(images, scale) for scale in (output if isinstance(output, (list, tuple)) else [output])]
    return max(fields, key=lambda field: field.across or size)


def _measure(images: Tensor, scale: Tensor) -> ReceptiveField:
    row, column = scale.shape[2] // 2, scale.shape[3] // 2
    middle = _find_spans(images, scale[0, :, row, column])
    neighbour = _find_spans(images, scale[0, :, row, max(0, column - 1)])
    if None in middle or None in neighbour:
        return ReceptiveField(None, None)
    (top, bottom), (left, right) = middle  # type: ignore[misc]
    return ReceptiveField(max(bottom - top, right - left), left - neighbour[1][0])  # type: ignore[index]


def _find_spans(images: Tensor, value: Tensor) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Return the ranges of rows and of columns with a nonzero gradient; None for a range that reaches a border."""
    (gradient,) = torch.autograd.grad(value.sum(), images, retain_graph=True)
    nonzero = gradient[0].abs().amax(0) > 0
    return _find_span(nonzero.any(1)), _find_span(nonzero.any(0))


def _find_span(nonzero: Tensor) -> tuple[int, int] | None:
    indices = nonzero.nonzero().flatten().tolist()
    if not indices or indices[0] == 0 or indices[-1] == len(nonzero) - 1:
        return None
    return indices[0], indices[-1] + 1
