"""How far a network sees: which pixels of the input one value of the output depends on."""

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
        # The statistics of norms make every value depend on the whole image, a little.
        F.group_norm,
        F.instance_norm,
        F.batch_norm,
        F.layer_norm,
        torch.group_norm,
        torch.instance_norm,
        torch.batch_norm,
        torch.layer_norm,
        # These hide what they happen to switch off.
        F.relu,
        torch.relu,
        torch.relu_,
        F.dropout,
        F.dropout2d,
    }
)
"""Functions that stand between an output value and what it depends on, and move nothing."""


class _OnlyWhatMoves(TorchFunctionMode):
    def __torch_function__(
        self, function: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        return args[0] if function in LEFT_OUT else function(*args, **(kwargs or {}))


@dataclass(frozen=True)
class ReceptiveField:
    """What one output value sees of the input.

    Attributes:
        across: how many pixels, in height or width, whichever is more; None for as many as were tried, or more.
        apart: by how many pixels the fields of neighbouring values are shifted; None where that cannot be seen.
    """

    across: int | None
    apart: int | None


def receptive_field(network: nn.Module, channels: int, size: int) -> ReceptiveField:
    """Measure what an output value depends on, with the gradient of the value in the middle and of its neighbour.

    Norms are left out: through their statistics every value depends on every pixel, a little. Of a discriminator with
    several scales, the one that sees most counts.

    Args:
        network: what is measured; its weights do not matter, as long as they are not zero.
        channels: of the images that it takes.
        size: height and width of the image that is tried.

    Raises:
        ValueError: the network cannot work on images of that size.
    """
    images = torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with torch.random.fork_rng(devices=[]), _OnlyWhatMoves():
        made = network(images)
    fields = [_field(images, scale) for scale in (made if isinstance(made, (list, tuple)) else [made])]
    return max(fields, key=lambda field: field.across or size)


def _field(images: Tensor, scale: Tensor) -> ReceptiveField:
    row, column = scale.shape[2] // 2, scale.shape[3] // 2
    here = _spans(images, scale[0, :, row, column])
    next_to_it = _spans(images, scale[0, :, row, max(0, column - 1)])
    if None in here or None in next_to_it:
        return ReceptiveField(None, None)
    (top, bottom), (left, right) = here  # type: ignore[misc]
    return ReceptiveField(max(bottom - top, right - left), left - next_to_it[1][0])  # type: ignore[index]


def _spans(images: Tensor, value: Tensor) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Return the first row and the one after the last, and the same of columns; None for up to a border."""
    (gradient,) = torch.autograd.grad(value.sum(), images, retain_graph=True)
    touched = gradient[0].abs().amax(0) > 0
    return _span(touched.any(1)), _span(touched.any(0))


def _span(touched: Tensor) -> tuple[int, int] | None:
    places = touched.nonzero().flatten().tolist()
    if not places or places[0] == 0 or places[-1] == len(touched) - 1:
        return None
    return places[0], places[-1] + 1
