"""A generator cut into segments, which can be computed one after the other, each a tile at a time.

Between two segments the whole image's features are known, and so are their statistics: a norm is where one segment
ends. Within a segment every value depends on its own surroundings alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, lcm
from typing import Any

import torch
from torch import Tensor, fx, nn

from cgkit.tiling.graph import UntileableError, norm_of, run_node, trace

_UNITS = 4096
"""How many strides an image has that is followed to see what sizes its features have: what padding adds, is little."""

_LONGEST = 64
"""How far a segment's values may depend on others: so many times as far as is tried first."""


@dataclass(frozen=True)
class Segment:
    """Some steps of a generator, all of whose values depend on what is near them alone.

    Attributes:
        steps: in their order.
        inputs: values that earlier segments have made; the image is one.
        outputs: values that later segments use, and the translation.
        alignment: tiles begin at multiples of it, in pixels of the image.
        reach: how many pixels of the image around a tile its values depend on; a multiple of `alignment`.
        bytes: what is in memory at once, for each pixel of a tile, in float32.
    """

    steps: tuple[fx.Node, ...]
    inputs: tuple[fx.Node, ...]
    outputs: tuple[fx.Node, ...]
    alignment: int
    reach: int
    bytes: float


@dataclass(frozen=True)
class Plan:
    """How a generator is computed in segments.

    Attributes:
        image: stands for the image.
        translation: stands for what is made of it.
        constants: parameters and buffers that steps use by themselves.
        segments: in their order.
        bytes: what a whole pass has in memory at once, for each pixel of the image, in float32.
    """

    image: fx.Node
    translation: fx.Node
    constants: tuple[fx.Node, ...]
    segments: tuple[Segment, ...]
    bytes: float


def plan_segments(generator: nn.Module, channels: int) -> Plan:
    """Cut a generator into segments; it is called on meta tensors, and its steps on small images.

    Raises:
        UntileableError: a step depends on the whole image in another way than through a norm.
    """
    side = _UNITS * int(getattr(generator, "stride", 1))
    graph = trace(generator, channels, side, side)
    image = next(node for node in graph.nodes if node.op == "placeholder")
    (translation,) = next(node for node in graph.nodes if node.op == "output").args
    if not isinstance(translation, fx.Node) or _shape(translation)[-2:] != (side, side):
        raise UntileableError("what it makes has another size than the image")
    constants = tuple(node for node in graph.nodes if node.op == "get_attr")
    steps = [node for node in graph.nodes if node.op not in ("placeholder", "get_attr", "output")]
    levels = _levels(steps)
    segments = []
    for level in range(max(levels.values(), default=0) + 1):
        own = tuple(node for node in steps if levels[node] == level)
        if own:
            segments.append(_segment(own, translation, generator, side))
    return Plan(image, translation, constants, tuple(segments), _bytes_at_once(steps, (image,), side))


def scale_of(node: fx.Node, side: int | None = None) -> Fraction:
    """Return how many times as high as the image a value is; the same for its width.

    Raises:
        UntileableError: it has no such scale: it is not a map of the image.
    """
    scale: Fraction | None = node.meta.get("scale")
    if scale is None:
        assert side is not None
        node.meta["scale"] = scale = _scale(node, side)
    return scale


def channels_of(node: fx.Node) -> int:
    """Return how many channels a value has."""
    return int(_shape(node)[1])


def _levels(steps: Iterable[fx.Node]) -> dict[fx.Node, int]:
    """Return for each step how many norms, one after the other, lie before it."""
    levels: dict[fx.Node, int] = {}
    for node in steps:
        before = max((levels.get(other, 0) for other in node.all_input_nodes), default=0)
        levels[node] = before + (norm_of(node) is not None)
    return levels


def _segment(steps: tuple[fx.Node, ...], translation: fx.Node, generator: nn.Module, side: int) -> Segment:
    own = set(steps)
    used = {other: None for node in steps for other in node.all_input_nodes if other not in own}
    inputs = tuple(node for node in used if node.op != "get_attr")
    outputs = tuple(node for node in steps if node is translation or any(user not in own for user in node.users))
    for node in (*inputs, *outputs):
        if scale_of(node, side) * side != _shape(node)[2]:
            raise UntileableError(f"{node.name} has some pixels more or less than the image where it is normalised")
    alignment = lcm(*(scale_of(node, side).denominator for node in (*inputs, *steps) if _is_map(node)))
    reach = _reach(steps, inputs, outputs, generator, alignment)
    at_once = _bytes_at_once(steps, inputs, side)
    return Segment(steps, inputs, outputs, alignment, ceil(reach / alignment) * alignment, at_once)


def _scale(node: fx.Node, side: int) -> Fraction:
    height, width = _shape(node)[-2:] if _is_map(node) else (0, 0)
    scale = Fraction(height, side).limit_denominator(_UNITS // 16)
    if scale == 0 or Fraction(width, side).limit_denominator(_UNITS // 16) != scale:
        raise UntileableError(f"{node.name} sees the whole image")
    return scale


def _is_map(node: fx.Node) -> bool:
    example = node.meta["example"]
    return isinstance(example, Tensor) and example.ndim == 4 and len(example) == 1


def _shape(node: fx.Node) -> torch.Size:
    example = node.meta["example"]
    if not isinstance(example, Tensor) or example.ndim != 4:
        raise UntileableError(f"{node.name} is no map of features")
    return example.shape


def _bytes_at_once(steps: Iterable[fx.Node], inputs: Iterable[fx.Node], side: int) -> float:
    """Return the most bytes that are held between any two steps, for each pixel of the image."""
    steps = tuple(steps)
    last_uses = last_users(steps)
    held = {node: _bytes(node) for node in inputs}
    most = 0
    for node in steps:
        held[node] = _bytes(node)
        most = max(most, sum(held.values()))
        for other in last_uses.get(node, ()):
            held.pop(other, None)
    return most / side**2


def last_users(steps: Iterable[fx.Node]) -> Mapping[fx.Node, tuple[fx.Node, ...]]:
    """Return for each step the values that nothing after it uses."""
    last: dict[fx.Node, fx.Node] = {}
    for node in steps:
        last.update(dict.fromkeys(node.all_input_nodes, node))
        last.setdefault(node, node)
    users: dict[fx.Node, tuple[fx.Node, ...]] = {}
    for value, user in last.items():
        users[user] = (*users.get(user, ()), value)
    return users


def _bytes(node: fx.Node) -> int:
    example = node.meta["example"]
    return 4 * example.numel() if isinstance(example, Tensor) else 0


def _reach(
    steps: tuple[fx.Node, ...],
    inputs: tuple[fx.Node, ...],
    outputs: tuple[fx.Node, ...],
    generator: nn.Module,
    alignment: int,
) -> int:
    """Return how far from each other, in pixels of the image, an input and an output are that depends on it."""
    long, short = max(64, 32 * alignment), max(16, 8 * alignment)
    for longer in (long * 2**doublings for doublings in range(_LONGEST.bit_length())):
        spread = [
            _spread(steps, inputs, outputs, generator, alignment, size) for size in ((longer, short), (short, longer))
        ]
        if None not in spread:
            return max(one for one in spread if one is not None)
    raise UntileableError(f"{outputs[0].name} depends on all of {inputs[0].name}, not on what is near it alone")


def _spread(
    steps: tuple[fx.Node, ...],
    inputs: tuple[fx.Node, ...],
    outputs: tuple[fx.Node, ...],
    generator: nn.Module,
    alignment: int,
    size: tuple[int, int],
) -> int | None:
    """Return how far what is no number spreads, which some pixels in the middle of the longer side are.

    None where it spreads up to a border.
    """
    axis = 2 if size[0] > size[1] else 3
    start = max(size) // 2 // alignment * alignment
    some = next(iter(generator.parameters()), torch.zeros(()))
    values: dict[fx.Node, Any] = {}
    for node in inputs:
        scale = scale_of(node)
        image = torch.zeros(1, channels_of(node), int(size[0] * scale), int(size[1] * scale))
        image.narrow(axis, int(start * scale), max(1, int(alignment * scale))).fill_(torch.nan)
        values[node] = image.to(some.device, some.dtype)
    made = _computed(steps, values, generator)
    furthest = 0
    for node in outputs:
        touched = made[node].isnan().any(1)[0].any(2 - (axis - 1)).nonzero().flatten().tolist()
        if not touched:
            continue
        if touched[0] == 0 or touched[-1] == made[node].shape[axis] - 1:
            return None
        scale = scale_of(node)
        furthest = max(furthest, ceil(start - touched[0] / scale), ceil((touched[-1] + 1) / scale - start - alignment))
    return furthest


@torch.inference_mode()
def _computed(steps: tuple[fx.Node, ...], values: dict[fx.Node, Any], generator: nn.Module) -> dict[fx.Node, Any]:
    # Faster convolutions transform patches as a whole, and so spread what is no number further than it matters.
    with _plain_convolutions():
        try:
            for node in steps:
                for constant in node.all_input_nodes:
                    if constant.op == "get_attr":
                        values[constant] = run_node(constant, generator, {})
                norm = norm_of(node)
                values[node] = values[norm.features].clone() if norm else run_node(node, generator, values)
        except UntileableError:
            raise
        except Exception as error:  # it runs a stranger's code
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UntileableError(f"{node.name} does not work on a part of the image: {reason}") from error
    return values


@contextmanager
def _plain_convolutions() -> Iterator[None]:
    before = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
    try:
        with torch.backends.cudnn.flags(enabled=False):
            yield
    finally:
        torch.backends.mkldnn.enabled = before


__all__ = ["Plan", "Segment", "channels_of", "last_users", "plan_segments", "scale_of"]
