"""Images larger than memory, translated a tile at a time, with the result of translating them whole.

An instance norm needs the whole image: so a generator is computed segment by segment, from one norm to the next
(`cgkit.tiling.segments`). What a segment makes of the image goes into a file, tile by tile, while its mean and
variance are collected; the next segment reads it, with as much around each tile as its values depend on. Every
convolution is computed once, but for what tiles share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, fx, nn

from cgkit.engine.precision import Precision
from cgkit.tiling.feature_map import FeatureMap, check_space
from cgkit.tiling.graph import UntileableError, norm_of, run_node
from cgkit.tiling.norm_statistics import Affine, Moments, apply_affine
from cgkit.tiling.segments import Plan, Segment, channels_of, last_users, plan_segments, scale_of
from cgkit.tiling.windows import Window

TILE_BYTES = 64_000_000
"""What the features of one tile may take. Larger tiles are no faster: what a processor works on should stay near it."""

TOLERANCE = 1e-3
"""How far, in [-1, 1], a trial may be off: rounding is a hundredth of it, a mistake many times as much."""

Read = Callable[[Window], Tensor]
"""From a window of the image to its pixels, `(1, C, h, w)` in [-1, 1]."""

Write = Callable[[Window, Tensor], None]
"""Takes a window of the translation and its pixels, `(1, C, h, w)` in [-1, 1], on any device."""

Progress = Callable[[float], None]
"""Is told the share that is done."""


class TiledGenerator:
    """A generator that translates an image of any size within a bounded memory.

    Args:
        generator: in evaluation mode, on the device of `precision`.
        channels: of the images.
        precision: what it computes in.
        tile_bytes: what the features of one tile may take.

    Raises:
        UntileableError: its result would not be that of the whole image; the message says why.
    """

    def __init__(
        self, generator: nn.Module, channels: int, precision: Precision, *, tile_bytes: int = TILE_BYTES
    ) -> None:
        self._generator = generator
        self._precision = precision
        self._tile_bytes = tile_bytes
        self._stride = int(getattr(generator, "stride", 1))
        self.plan: Plan = plan_segments(generator, channels)
        self._try(channels)

    def translate(
        self,
        read: Read,
        write: Write,
        size: tuple[int, int],
        *,
        tile: int | None = None,
        progress: Progress = lambda share: None,
    ) -> None:
        """Translate an image, a window at a time.

        Args:
            read: gives the image's pixels; windows overlap, and are asked for once at most.
            write: takes the translation's; its windows are disjoint and cover the image.
            size: height and width, multiples of the generator's stride.
            tile: pixels a side of a tile; by default what memory allows, segment by segment.
            progress: is told the share that is done, from time to time.

        Raises:
            ResourceError: the folder of temporary files has too little space.
        """
        with torch.inference_mode():
            _Pass(self._generator, self._precision, self.plan, size, read, write).run(
                lambda segment: tile or self._tile_of(segment), progress
            )

    def _tile_of(self, segment: Segment) -> int:
        return max(segment.alignment, int((self._tile_bytes / segment.bytes) ** 0.5) - 2 * segment.reach)

    def _try(self, channels: int) -> None:
        """Translate a small image both ways, and compare."""
        coarsest = max((segment.alignment for segment in self.plan.segments), default=1)
        step = self._stride * -(-coarsest // self._stride)
        side = step * -(-max(64, 2 * step) // step)
        draws = torch.Generator().manual_seed(0)
        image = torch.rand(1, channels, side, side, generator=draws) * 2 - 1
        image = image.to(self._precision.device, self._precision.dtype)
        exact = Precision("fp64" if self._precision.name == "fp64" else "fp32", self._precision.device)
        made = torch.full((1, channels_of(self.plan.translation), side, side), torch.nan)

        def write(window: Window, pixels: Tensor) -> None:
            made[..., window.top : window.bottom, window.left : window.right] = pixels

        def read(window: Window) -> Tensor:
            return window.cut_out_of(Window(0, side, 0, side), image)

        with torch.inference_mode():
            expected = self._generator(image).float().cpu()
            try:
                trial = _Pass(self._generator, exact, self.plan, (side, side), read, write)
                trial.run(lambda _: side // 3, lambda _: None)
            except (RuntimeError, TypeError, ValueError, IndexError) as error:  # it runs a stranger's code
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                raise UntileableError(f"it does not work on a part of an image: {reason}") from error
        difference = float((made - expected).abs().max())
        if not difference <= TOLERANCE:
            raise UntileableError(f"made of tiles, a trial differs by {difference:.2g}")


class _Pass:
    """One image on its way through the segments."""

    def __init__(
        self, generator: nn.Module, precision: Precision, plan: Plan, size: tuple[int, int], read: Read, write: Write
    ) -> None:
        self._generator = generator
        self._precision = precision
        self._plan = plan
        self._size = size
        self._read = read
        self._write = write
        self._stored: dict[fx.Node, FeatureMap] = {}
        self._moments: dict[fx.Node, Moments] = {}
        self._constants = {node: run_node(node, generator, {}) for node in plan.constants}

    def run(self, tile_of: Callable[[Segment], int], progress: Progress) -> None:
        segments = self._plan.segments
        check_space(space_needed(self._plan, self._size, bytes_each=2 if self._precision.name == "bf16" else 4))
        windows = [list(tiles(self._size, tile_of(segment), segment.alignment)) for segment in segments]
        # The area is a fair measure of the time: segments at full size are few, but have few channels, too.
        total, done = sum(map(len, windows)), 0
        try:
            for number, segment in enumerate(segments):
                self._open(segment)
                affines = self._affines(segment)
                free_after = last_users(segment.steps)
                for window in windows[number]:
                    self._compute(segment, window, affines, free_after)
                    done += 1
                    progress(done / total)
                self._close(segments[number + 1 :])
        finally:
            self._close(())

    def _open(self, segment: Segment) -> None:
        height, width = self._size
        for node in segment.outputs:
            if _is_used_later(node, segment):
                scale = scale_of(node)
                self._stored[node] = FeatureMap(channels_of(node), int(height * scale), int(width * scale))
            if any((norm := norm_of(user)) and norm.features is node for user in node.users):
                self._moments[node] = Moments()

    def _close(self, later: tuple[Segment, ...]) -> None:
        needed = {node for segment in later for node in segment.inputs}
        for node in [node for node in self._stored if node not in needed]:
            self._stored.pop(node).close()

    def _affines(self, segment: Segment) -> dict[fx.Node, Affine]:
        affines = {}
        for node in segment.steps:
            if norm := norm_of(node):
                moments = self._moments[norm.features]
                resolved = norm.with_parameters(
                    *(self._constants.get(one) if isinstance(one, fx.Node) else one for one in (norm.weight, norm.bias))
                )
                affines[node] = moments.scale_and_shift(resolved)
        return affines

    def _compute(self, segment: Segment, window: Window, affines: dict[fx.Node, Affine], free_after: Any) -> None:
        around = window.grown(segment.reach, *self._size)
        values: dict[fx.Node, Any] = dict(self._constants)
        for node in segment.inputs:
            scaled = around.scaled(scale_of(node))
            if node is self._plan.image:
                values[node] = self._read(scaled).to(self._precision.device, self._precision.dtype)
            else:
                values[node] = self._stored[node].read(scaled).to(self._precision.device)
        with self._precision.autocast():
            for node in segment.steps:
                if node in affines:
                    values[node] = apply_affine(values[_features(node)], affines[node])
                else:
                    values[node] = run_node(node, self._generator, values)
                if node in segment.outputs:
                    scale = scale_of(node)
                    self._keep(node, window.scaled(scale), around.scaled(scale), values[node])
                for unused in free_after.get(node, ()):
                    values.pop(unused, None)

    def _keep(self, node: fx.Node, window: Window, around: Window, values: Tensor) -> None:
        own = window.cut_out_of(around, values)
        if node in self._moments:
            self._moments[node].add(own)
        if node in self._stored:
            self._stored[node].write(window, own)
        if node is self._plan.translation:
            self._write(window, own)


def tiles(size: tuple[int, int], side: int, alignment: int) -> Iterator[Window]:
    """Yield windows of much the same size that cover an image, at most `side` pixels a side where that is possible.

    They begin at multiples of `alignment`, of which height and width are multiples too.
    """
    rows, columns = (_edges(length, side, alignment) for length in size)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            yield Window(top, bottom, left, right)


def space_needed(plan: Plan, size: tuple[int, int], *, bytes_each: int) -> int:
    """Return the most bytes that lie in files at once."""
    stored: dict[fx.Node, int] = {}
    most = 0
    for number, segment in enumerate(plan.segments):
        for node in segment.outputs:
            if _is_used_later(node, segment):
                stored[node] = int(size[0] * size[1] * scale_of(node) ** 2) * channels_of(node) * bytes_each
        most = max(most, sum(stored.values()))
        needed = {node for later in plan.segments[number + 1 :] for node in later.inputs}
        stored = {node: space for node, space in stored.items() if node in needed}
    return most


def _edges(length: int, side: int, alignment: int) -> list[int]:
    units = length // alignment
    count = max(1, min(units, -(-length // max(side, alignment))))
    return [units * number // count * alignment for number in range(count + 1)]


def _is_used_later(node: fx.Node, segment: Segment) -> bool:
    return any(user not in segment.steps and user.op != "output" for user in node.users)


def _features(node: fx.Node) -> fx.Node:
    norm = norm_of(node)
    assert norm is not None
    features: fx.Node = norm.features
    return features


__all__ = ["TILE_BYTES", "Progress", "Read", "TiledGenerator", "UntileableError", "Write", "space_needed", "tiles"]
