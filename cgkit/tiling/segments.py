"""Splitting a generator into segments, which are computed one after the other, each tile by tile.

A segment ends before each norm. Within a segment, a value depends on nearby pixels only. At the end of a segment, the
whole feature map is known, so the statistics for the norm that follows can be computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, lcm
from typing import Any

import torch
from torch import Tensor, fx, nn

from cgkit.abilities import stride_of
from cgkit.contracts import Size
from cgkit.tiling.built_in_sizes import refuse_built_in_sizes
from cgkit.tiling.graph import UntileableError, first_line, norm_of, run_node, trace

_TRACED_STRIDES = 4096
"""Side of the traced image as a multiple of the stride, so large that padding hardly affects the scale of a map."""

_DOUBLINGS = 8
"""Number of attempts to measure the reach of a segment, each on an image twice as long as the previous one."""

_MEASURING_BYTES = 1_000_000_000
"""After the first attempt, no attempt may take more memory for features than this."""


@dataclass(frozen=True)
class Segment:
    """Steps of a generator with the same number of norms before them; the outputs depend only on nearby input pixels.

    Attributes:
        steps: the steps, in order.
        inputs: those of the image and the results of earlier segments that the steps use.
        outputs: the results that later segments use, and the translation if this segment computes it.
        alignment: the edges of tiles must be multiples of this number of image pixels.
        reach: how far beyond a tile the segment's inputs affect the values in the tile, in pixels of the image; a
            multiple of `alignment`.
        bytes: the peak memory in bytes per pixel of a tile, for features in float32.
    """

    steps: tuple[fx.Node, ...]
    inputs: tuple[fx.Node, ...]
    outputs: tuple[fx.Node, ...]
    alignment: int
    reach: int
    bytes: float


@dataclass(frozen=True)
class Plan:
    """A generator, split into segments.

    Attributes:
        image: the node of the image.
        translation: the node of the translation.
        constants: the nodes of parameters and buffers that steps use directly.
        segments: the segments, in order.
        bytes: the peak memory in bytes per pixel of an image that is translated whole, for features in float32.
    """

    image: fx.Node
    translation: fx.Node
    constants: tuple[fx.Node, ...]
    segments: tuple[Segment, ...]
    bytes: float


def plan_segments(generator: nn.Module, channels: int) -> Plan:
    """Split a generator into segments, by tracing its forward pass and running its steps on small images.

    Raises:
        UntileableError: the forward pass cannot be traced or normalises the image itself, the size of a feature map is
            not proportional to that of the image, or a step other than a norm depends on the whole image or its size.
    """
    refuse_built_in_sizes(generator, channels)
    side = _TRACED_STRIDES * stride_of(generator)
    graph = trace(generator, channels, side)
    image = next(node for node in graph.nodes if node.op == "placeholder")
    (translation,) = next(node for node in graph.nodes if node.op == "output").args
    if not isinstance(translation, fx.Node) or _shape(translation)[-2:] != (side, side):
        raise UntileableError("its output does not have the size of the image")
    if any((norm := norm_of(user)) and norm.features is image for user in image.users):
        raise UntileableError("it normalises the image itself")
    constants = tuple(node for node in graph.nodes if node.op == "get_attr")
    steps = [node for node in graph.nodes if node.op not in ("placeholder", "get_attr", "output")]
    depths = _count_norms(steps)
    segments = []
    for depth in range(max(depths.values(), default=0) + 1):
        own = tuple(node for node in steps if depths[node] == depth)
        if own:
            segments.append(_make_segment(own, translation, generator, side))
    return Plan(image, translation, constants, tuple(segments), _peak_bytes(steps, (image,), side))


def scale_of(node: fx.Node) -> Fraction:
    """Return the height (and width) of a node's feature map, relative to that of the image."""
    scale: Fraction = node.meta["scale"]
    return scale


def channels_of(node: fx.Node) -> int:
    """Return the number of channels of a node's feature map."""
    return int(_shape(node)[1])


def unused_after(steps: Iterable[fx.Node]) -> Mapping[fx.Node, tuple[fx.Node, ...]]:
    """Return, for each step, the values that can be freed after the step, because no later step uses them."""
    last: dict[fx.Node, fx.Node] = {}
    for node in steps:
        last.update(dict.fromkeys(node.all_input_nodes, node))
        last.setdefault(node, node)
    unused: dict[fx.Node, tuple[fx.Node, ...]] = {}
    for value, user in last.items():
        unused[user] = (*unused.get(user, ()), value)
    return unused


def _count_norms(steps: Iterable[fx.Node]) -> dict[fx.Node, int]:
    """Return, for each step, the largest number of norms on a path from the image up to and including the step."""
    counts: dict[fx.Node, int] = {}
    for node in steps:
        before = max((counts.get(other, 0) for other in node.all_input_nodes), default=0)
        counts[node] = before + (norm_of(node) is not None)
    return counts


def _make_segment(steps: tuple[fx.Node, ...], translation: fx.Node, generator: nn.Module, side: int) -> Segment:
    own = set(steps)
    used = {other: None for node in steps for other in node.all_input_nodes if other not in own}
    inputs = tuple(node for node in used if node.op != "get_attr")
    outputs = tuple(node for node in steps if node is translation or any(user not in own for user in node.users))
    maps = [node for node in (*inputs, *steps) if _is_map(node)]
    for node in (*inputs, *outputs, *maps):
        node.meta["scale"] = _find_scale(node, side)
    for node in (*inputs, *outputs):
        if scale_of(node) * side != _shape(node)[2]:
            raise UntileableError(f"the size of {node.name} is not proportional to that of the image")
    alignment = lcm(*(scale_of(node).denominator for node in maps))
    segment = Segment(steps, inputs, outputs, alignment, 0, _peak_bytes(steps, inputs, side))
    return replace(segment, reach=ceil(_find_reach(segment, generator) / alignment) * alignment)


def _find_scale(node: fx.Node, side: int) -> Fraction:
    height, width = _shape(node)[-2:] if _is_map(node) else (0, 0)
    scale = Fraction(height, side).limit_denominator(_TRACED_STRIDES // 16)
    if scale == 0 or Fraction(width, side).limit_denominator(_TRACED_STRIDES // 16) != scale:
        raise UntileableError(f"{node.name} depends on the whole image")
    return scale


def _is_map(node: fx.Node) -> bool:
    example = node.meta["example"]
    return isinstance(example, Tensor) and example.ndim == 4 and len(example) == 1


def _shape(node: fx.Node) -> torch.Size:
    example = node.meta["example"]
    if not isinstance(example, Tensor) or example.ndim != 4:
        raise UntileableError(f"{node.name} is not a feature map")
    return example.shape


def _peak_bytes(steps: Iterable[fx.Node], inputs: Iterable[fx.Node], side: int) -> float:
    """Return the peak memory of steps, in bytes per pixel of the image, if values are freed after their last use."""
    steps = tuple(steps)
    free_after = unused_after(steps)
    held = {node: _bytes(node) for node in inputs}
    peak = 0
    for node in steps:
        held[node] = _bytes(node)
        peak = max(peak, sum(held.values()))
        for other in free_after.get(node, ()):
            held.pop(other, None)
    return peak / side**2


def _bytes(node: fx.Node) -> int:
    example = node.meta["example"]
    return 4 * example.numel() if isinstance(example, Tensor) else 0


def _find_reach(segment: Segment, generator: nn.Module) -> int:
    """Return the largest distance, in pixels of the image, between an output and an input that it depends on.

    To measure it, the inputs are set to zeros with a stripe of NaN: every output that depends on the stripe is NaN.
    """
    alignment = segment.alignment
    # Two alignments are enough: the trial of a tiled generator uses an image of that size.
    long, short = max(64, 16 * alignment), max(16, min(8 * alignment, max(64, 2 * alignment)))
    for attempt in range(_DOUBLINGS):
        if attempt and long * short * segment.bytes > _MEASURING_BYTES:
            break
        reaches = [_measure_reach(segment, generator, size) for size in ((long, short), (short, long))]
        if None not in reaches:
            return max(reach for reach in reaches if reach is not None)
        long *= 2
    output, image = segment.outputs[0].name, segment.inputs[0].name
    raise UntileableError(f"{output} depends on all of {image}, not only on nearby pixels")


def _measure_reach(segment: Segment, generator: nn.Module, size: Size) -> int | None:
    """Return how far NaN spreads from a stripe in the middle along the longer side; None if NaN reaches a border."""
    axis = 2 if size[0] > size[1] else 3
    alignment = segment.alignment
    start = max(size) // 2 // alignment * alignment
    parameter = next(iter(generator.parameters()), torch.zeros(()))
    values: dict[fx.Node, Any] = {}
    for node in segment.inputs:
        scale = scale_of(node)
        features = torch.zeros(1, channels_of(node), int(size[0] * scale), int(size[1] * scale))
        features.narrow(axis, int(start * scale), max(1, int(alignment * scale))).fill_(torch.nan)
        values[node] = features.to(parameter.device, parameter.dtype)
    results = _run_steps(segment, values, generator)
    furthest = 0
    for node in segment.outputs:
        affected = results[node].isnan().any(1)[0].any(2 - (axis - 1)).nonzero().flatten().tolist()
        if not affected:
            continue
        if affected[0] == 0 or affected[-1] == results[node].shape[axis] - 1:
            return None
        scale = scale_of(node)
        before, after = start - affected[0] / scale, (affected[-1] + 1) / scale - start - alignment
        furthest = max(furthest, ceil(before), ceil(after))
    return furthest


@torch.inference_mode()
def _run_steps(segment: Segment, values: dict[fx.Node, Any], generator: nn.Module) -> dict[fx.Node, Any]:
    """Return the outputs of a segment; norms only copy their input, because they would spread NaN everywhere."""
    unused = unused_after(segment.steps)
    with _plain_convolutions():
        for node in segment.steps:
            try:
                for constant in node.all_input_nodes:
                    if constant.op == "get_attr":
                        values[constant] = run_node(constant, generator, {})
                norm = norm_of(node)
                values[node] = values[norm.features].clone() if norm else run_node(node, generator, values)
            except Exception as error:  # third-party code may raise any exception
                raise UntileableError(f"{node.name} does not work on part of an image: {first_line(error)}") from error
            for other in set(unused.get(node, ())) - set(segment.outputs):
                del values[other]
    return values


@contextmanager
def _plain_convolutions() -> Iterator[None]:
    """Disable faster convolution algorithms: they transform whole patches, which spreads NaN beyond the kernel."""
    before = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
    try:
        with torch.backends.cudnn.flags(enabled=False):
            yield
    finally:
        torch.backends.mkldnn.enabled = before


__all__ = ["Plan", "Segment", "channels_of", "plan_segments", "scale_of", "unused_after"]
