"""Approximate translation in patches: faster than exact tiles, and possible with every generator.

Neighbouring patches overlap; in the overlap, their translations are blended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgkit.abilities import stride_of
from cgkit.contracts import Size
from cgkit.engine.precision import Precision
from cgkit.tiling.norm_statistics import Statistics, statistics_of
from cgkit.tiling.windows import Progress, Read, Window, Write, tiles

PATCH = 512
OVERLAP = 64
"""Number of pixels by which a patch extends beyond each edge of its window.

The weight of a patch fades from 1 to 0 over this number of pixels, centred on the edge of the window. The outermost
pixels of the patch have the weight 0, because their translation lacks the pixels around them.
"""

THUMBNAIL = 1024
"""Longest side, in pixels, of the small copy of the image from which norm statistics are computed."""


class PatchwiseGenerator:
    """A generator that translates an image in overlapping patches.

    With `thumbnail`, the norms use the statistics of a small copy of the whole image (thumbnail instance
    normalisation, Chen et al., AAAI 2022). Otherwise the norms use the statistics of each patch, so the colours of
    neighbouring patches may differ.

    Args:
        generator: the generator, in evaluation mode, on the device of `precision`.
        precision: the number format and the device of the computation.
        thumbnail: whether norms use the statistics of a small copy of the whole image.
    """

    def __init__(self, generator: nn.Module, precision: Precision, *, thumbnail: bool) -> None:
        self._generator = generator
        self._precision = precision
        self._thumbnail = thumbnail
        self._stride = stride_of(generator)

    def translate(self, read: Read, write: Write, size: Size, *, tile: int | None, progress: Progress) -> None:
        """Translate an image in [-1, 1] (see `WindowTranslator`); by default tiles are about 512 pixels wide."""
        overlap = -(-OVERLAP // self._stride) * self._stride
        with torch.inference_mode(), self._precision.autocast():
            statistics = self._thumbnail_statistics(read, size) if self._thumbnail else None
            windows = list(tiles(size, tile or PATCH, self._stride))
            blender = _Blender(write, size, overlap)
            for number, window in enumerate(windows, start=1):
                patch = window.grown(overlap, *size)
                image = read(patch).to(self._precision.device)
                with nullcontext() if statistics is None else statistics.frozen():
                    translation = self._generator(image)
                blender.add(window, patch, translation.float().cpu())
                progress(number / len(windows))

    def _thumbnail_statistics(self, read: Read, size: Size) -> Statistics:
        thumbnail = torch.cat(list(_read_thumbnail(read, size, -(-max(size) // THUMBNAIL))), 2)
        below, right = -thumbnail.shape[2] % self._stride, -thumbnail.shape[3] % self._stride
        thumbnail = F.pad(thumbnail, (0, right, 0, below), mode="replicate")
        return statistics_of(self._generator, [thumbnail.to(self._precision.device)])


def _read_thumbnail(read: Read, size: Size, factor: int) -> Iterator[Tensor]:
    """Yield an image downscaled by an integer factor, a few rows at a time."""
    height, width = size
    rows = factor * max(1, 256 // factor)
    for top in range(0, height // factor * factor, rows):
        strip = read(Window(top, min(top + rows, height // factor * factor), 0, width // factor * factor))
        yield F.avg_pool2d(strip.float(), factor)


class _Blender:
    """Computes the weighted average of overlapping patches, and writes rows of the image once they are complete."""

    def __init__(self, write: Write, size: Size, overlap: int) -> None:
        self._write = write
        self._size = size
        self._overlap = overlap
        self._top = 0
        self._sums = torch.zeros(0)
        self._weights = torch.zeros(0)

    def add(self, window: Window, patch: Window, pixels: Tensor) -> None:
        """Add the translation of a patch, which extends beyond its window; patches must be added row by row."""
        if self._sums.ndim == 1:
            self._sums = pixels.new_zeros(1, pixels.shape[1], 0, self._size[1])
            self._weights = pixels.new_zeros(1, 1, 0, self._size[1])
        missing = patch.bottom - self._top - self._sums.shape[2]
        if missing > 0:
            self._sums = F.pad(self._sums, (0, 0, 0, missing))
            self._weights = F.pad(self._weights, (0, 0, 0, missing))
        weight = _patch_weights(window, patch, self._size)
        rows, columns = slice(patch.top - self._top, patch.bottom - self._top), patch.slices[1]
        self._sums[..., rows, columns] += pixels * weight
        self._weights[..., rows, columns] += weight
        if window.right == self._size[1]:  # the last patch of its row
            is_last = window.bottom == self._size[0]
            self._write_until(window.bottom if is_last else window.bottom - self._overlap)

    def _write_until(self, bottom: int) -> None:
        rows = bottom - self._top
        if rows <= 0:
            return
        pixels = self._sums[:, :, :rows] / self._weights[:, :, :rows]
        self._write(Window(self._top, bottom, 0, self._size[1]), pixels)
        self._sums, self._weights = self._sums[:, :, rows:].clone(), self._weights[:, :, rows:].clone()
        self._top = bottom


def _patch_weights(window: Window, patch: Window, size: Size) -> Tensor:
    rows = _ramp(patch.top, window.top, window.bottom, patch.bottom, size[0])
    columns = _ramp(patch.left, window.left, window.right, patch.right, size[1])
    return rows[:, None] * columns


def _ramp(start: int, window_start: int, window_end: int, end: int, length: int) -> Tensor:
    """Return the weights of the pixels from `start` to `end`: 0 near the patch's edges, 1 inside, linear in between.

    At the border of the image, the weights stay at 1. Where patches overlap, their weights add up to 1.
    """
    positions = torch.arange(start, end) + 0.5
    weights = torch.ones(end - start)
    if start > 0:
        weights = torch.minimum(weights, (positions - window_start) / (window_start - start) + 0.5)
    if end < length:
        weights = torch.minimum(weights, (window_end - positions) / (end - window_end) + 0.5)
    return weights.clamp_min(0)


__all__ = ["OVERLAP", "PATCH", "THUMBNAIL", "PatchwiseGenerator"]
