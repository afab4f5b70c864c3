"""Finding steps of a generator that have the size of the traced image built in, before they are run.

`F.interpolate(features, size=skip.shape[-2:])` is recorded with two numbers. For a tile, this step would still make a
map as large as the traced image, which may take many gigabytes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from cgkit.abilities import stride_of
from cgkit.tiling.graph import UntileableError, run_on_meta, trace

_SIDE = 64
"""Side of the smaller of two traced images, in pixels, if the generator's stride allows it."""


def refuse_built_in_sizes(generator: nn.Module, channels: int) -> None:
    """Trace a small and a larger image, and compute the shapes of the larger image's steps for the small image.

    Raises:
        UntileableError: a step cannot be computed for the small image, or the shape of its result is different from
            that in the small image's own trace.
    """
    stride = stride_of(generator)
    side = stride * max(2, -(-_SIDE // stride))
    small, large = trace(generator, channels, side), trace(generator, channels, 2 * side)
    if [_kind(node) for node in small.nodes] != [_kind(node) for node in large.nodes]:
        return  # the forward pass depends on the size in another way; the trial of the tiled generator judges it
    results: dict[fx.Node, Any] = {}
    for own, node in zip(small.nodes, large.nodes, strict=True):
        expected = own.meta["example"]
        if node.op == "placeholder":
            results[node] = expected
        elif node.op != "output":
            results[node] = _compute(node, generator, results)
            if _shape(results[node]) != _shape(expected):
                raise _error(node)


def _compute(node: fx.Node, generator: nn.Module, results: dict[fx.Node, Any]) -> Any:
    try:
        with torch.no_grad():
            return run_on_meta(node, generator, results)
    except Exception as error:  # third-party code may raise any exception
        raise _error(node) from error


def _error(node: fx.Node) -> UntileableError:
    return UntileableError(
        f"its step {node.name} depends on the height and width of the whole image, as F.interpolate(size=...) does;"
        " F.interpolate(scale_factor=...) would not"
    )


def _kind(node: fx.Node) -> tuple[str, Any]:
    """Return what a step calls; constants have a different name in each trace."""
    return node.op, None if node.op == "get_attr" else node.target


def _shape(value: Any) -> Any:
    return value.shape if isinstance(value, Tensor) else None


__all__ = ["refuse_built_in_sizes"]
