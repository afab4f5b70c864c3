"""Exact translation in tiles: the result of translating the whole image, within a bounded amount of memory.

Why does a tile equal the same part of the whole translation? A convolution is local: an output pixel depends on a few
nearby input pixels. So a tile has the right values if its input is read with enough surrounding pixels, and these are
cropped from the result. A norm needs the mean and variance of the whole image; once these are known, the norm only
scales and shifts each pixel. Therefore:

1. `graph` traces the forward pass with torch.fx. `segments` groups the steps by the number of norms before them, so
   that each segment but the first starts with norms. It also measures the reach of each segment: how far around a tile
   the segment needs its inputs.
2. The segments run one after the other, each on all tiles of the image. Results that later segments need are written to
   disk (`feature_map`); if a norm follows, their mean and variance are accumulated (`norms.Moments`).
3. The next segment reads these results back, tile by tile, and starts with the norms, whose statistics are complete.

Around a tile, only the reach of one segment is computed in addition, not the reach of the whole network, because the
next segment reads correct values from disk instead of computing them again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from cgkit.abilities import stride_of
from cgkit.contracts import Size
from cgkit.engine.precision import Precision
from cgkit.tiling.feature_map import FeatureMap, check_space
from cgkit.tiling.graph import UntileableError, first_line, norm_of, run_node
from cgkit.tiling.norms import Affine, Moments, apply_affine
from cgkit.tiling.segments import Plan, Segment, channels_of, plan_segments, scale_of, unused_after
from cgkit.tiling.windows import Progress, Read, Window, Write, tiles

TILE_BYTES = 64_000_000
"""Memory in bytes for the features of a tile. Larger tiles are not faster: they fit caches less well."""

TOLERANCE = 1e-3
"""Largest difference allowed in the trial, for values in [-1, 1].

Rounding causes differences of about a hundredth of this limit; a step that depends on the whole image causes
differences many times as large as the limit.
"""


class TiledGenerator:
    """A generator that translates images of any size exactly, within a bounded amount of memory.

    Args:
        generator: the generator, in evaluation mode, on the device of `precision`.
        channels: number of channels of the images to translate.
        precision: the number format and the device of the computation.
        tile_bytes: memory in bytes for the features of a tile.

    Raises:
        UntileableError: the result might differ from that of the whole image; the message says why.
    """

    def __init__(
        self, generator: nn.Module, channels: int, precision: Precision, *, tile_bytes: int = TILE_BYTES
    ) -> None:
        self._generator = generator
        self._precision = precision
        self._tile_bytes = tile_bytes
        self._stride = stride_of(generator)
        self.plan: Plan = plan_segments(generator, channels)
        self._verify(channels)

    def translate(self, read: Read, write: Write, size: Size, *, tile: int | None, progress: Progress) -> None:
        """Translate an image in [-1, 1] (see `WindowTranslator`); by default each segment has its own tile size."""
        with torch.inference_mode():
            _Pass(self._generator, self._precision, self.plan, size, read, write).run(
                lambda segment: tile or self._choose_tile(segment), progress
            )

    def _choose_tile(self, segment: Segment) -> int:
        return max(segment.alignment, int((self._tile_bytes / segment.bytes) ** 0.5) - 2 * segment.reach)

    def _verify(self, channels: int) -> None:
        """Translate a small random image whole and in tiles, and compare the results."""
        coarsest = max((segment.alignment for segment in self.plan.segments), default=1)
        step = self._stride * -(-coarsest // self._stride)
        side = step * -(-max(64, 2 * step) // step)
        random = torch.Generator().manual_seed(0)
        image = torch.rand(1, channels, side, side, generator=random) * 2 - 1
        image = image.to(self._precision.device, self._precision.dtype)
        exact = Precision("fp64" if self._precision.name == "fp64" else "fp32", self._precision.device)
        translation = torch.full((1, channels_of(self.plan.translation), side, side), torch.nan)

        def read(window: Window) -> Tensor:
            return image[..., *window.slices]

        def write(window: Window, pixels: Tensor) -> None:
            translation[..., *window.slices] = pixels

        with torch.inference_mode(), exact.autocast():
            expected = self._generator(image).float().cpu()
            try:
                trial = _Pass(self._generator, exact, self.plan, (side, side), read, write)
                trial.run(lambda _: side // 3, lambda _: None)
            except (RuntimeError, TypeError, ValueError, LookupError) as error:  # third-party code
                raise UntileableError(f"it does not work on part of an image: {first_line(error)}") from error
        difference = float((translation - expected).abs().max())
        if not difference <= TOLERANCE:
            raise UntileableError(f"a trial image translated in tiles differs by {difference:.2g} from the whole")


class _Pass:
    """The translation of one image through all segments."""

    def __init__(
        self, generator: nn.Module, precision: Precision, plan: Plan, size: Size, read: Read, write: Write
    ) -> None:
        self._generator = generator
        self._precision = precision
        self._plan = plan
        self._size = size
        self._read = read
        self._write = write
        self._maps: dict[fx.Node, FeatureMap] = {}
        self._moments: dict[fx.Node, Moments] = {}
        self._constants = {node: run_node(node, generator, {}) for node in plan.constants}

    def run(self, tile_of: Callable[[Segment], int], progress: Progress) -> None:
        """Compute all segments; `tile_of` returns, for a segment, the maximum side of its tiles in pixels."""
        segments = self._plan.segments
        check_space(space_needed(self._plan, self._size, bytes_each=2 if self._precision.name == "bf16" else 4))
        windows = [list(tiles(self._size, tile_of(segment), segment.alignment)) for segment in segments]
        # All tiles take roughly the same time, so progress is measured by their number.
        total, finished = sum(map(len, windows)), 0
        try:
            for number, segment in enumerate(segments):
                self._open_outputs(segment)
                norms = self._resolve_norms(segment)
                free_after = unused_after(segment.steps)
                for window in windows[number]:
                    self._compute(segment, window, norms, free_after)
                    finished += 1
                    progress(finished / total)
                self._close_maps(keep_for=segments[number + 1 :])
        finally:
            self._close_maps(keep_for=())

    def _open_outputs(self, segment: Segment) -> None:
        height, width = self._size
        for node in segment.outputs:
            if _is_used_later(node, segment):
                scale = scale_of(node)
                self._maps[node] = FeatureMap(channels_of(node), int(height * scale), int(width * scale))
            if any((norm := norm_of(user)) and norm.features is node for user in node.users):
                self._moments[node] = Moments()

    def _close_maps(self, keep_for: tuple[Segment, ...]) -> None:
        needed = {node for segment in keep_for for node in segment.inputs}
        for node in [node for node in self._maps if node not in needed]:
            self._maps.pop(node).close()

    def _resolve_norms(self, segment: Segment) -> dict[fx.Node, tuple[fx.Node, Affine]]:
        """Return, for each norm of a segment, its input and the scale and shift that it applies."""
        norms = {}
        for node in segment.steps:
            if norm := norm_of(node):
                weight, bias = (
                    self._constants.get(parameter) if isinstance(parameter, fx.Node) else parameter
                    for parameter in (norm.weight, norm.bias)
                )
                moments = self._moments[norm.features]
                norms[node] = (norm.features, moments.scale_and_shift(norm.with_parameters(weight, bias)))
        return norms

    def _compute(
        self,
        segment: Segment,
        window: Window,
        norms: Mapping[fx.Node, tuple[fx.Node, Affine]],
        free_after: Mapping[fx.Node, tuple[fx.Node, ...]],
    ) -> None:
        """Compute one tile of a segment."""
        surroundings = window.grown(segment.reach, *self._size)
        values: dict[fx.Node, Any] = dict(self._constants)
        for node in segment.inputs:
            scaled = surroundings.scaled(scale_of(node))
            if node is self._plan.image:
                values[node] = self._read(scaled).to(self._precision.device, self._precision.dtype)
            else:
                values[node] = self._maps[node].read(scaled).to(self._precision.device)
        with self._precision.autocast():
            for node in segment.steps:
                if node in norms:
                    features, affine = norms[node]
                    values[node] = apply_affine(values[features], affine)
                else:
                    values[node] = run_node(node, self._generator, values)
                if node in segment.outputs:
                    scale = scale_of(node)
                    own = window.scaled(scale)
                    self._store(node, own, own.crop(values[node], surroundings.scaled(scale)))
                for unused in free_after.get(node, ()):
                    values.pop(unused, None)

    def _store(self, node: fx.Node, window: Window, values: Tensor) -> None:
        if node in self._moments:
            self._moments[node].add(values)
        if node in self._maps:
            self._maps[node].write(window, values)
        if node is self._plan.translation:
            self._write(window, values)


def space_needed(plan: Plan, size: Size, *, bytes_each: int) -> int:
    """Return the peak disk space for feature maps, in bytes, if each value takes `bytes_each` bytes."""
    stored: dict[fx.Node, int] = {}
    peak = 0
    for number, segment in enumerate(plan.segments):
        for node in segment.outputs:
            if _is_used_later(node, segment):
                stored[node] = int(size[0] * size[1] * scale_of(node) ** 2) * channels_of(node) * bytes_each
        peak = max(peak, sum(stored.values()))
        needed = {node for later in plan.segments[number + 1 :] for node in later.inputs}
        stored = {node: space for node, space in stored.items() if node in needed}
    return peak


def _is_used_later(node: fx.Node, segment: Segment) -> bool:
    return any(user not in segment.steps and user.op != "output" for user in node.users)


__all__ = ["TILE_BYTES", "TiledGenerator", "UntileableError", "space_needed"]
