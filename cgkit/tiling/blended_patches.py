"""Large images translated patch by patch: cheaper than exact, for every generator, and not the same.

Patches overlap, and where they do, one fades into the next.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgkit.engine.precision import Precision
from cgkit.tiling.norm_statistics import Statistics, statistics_of
from cgkit.tiling.tiled_generator import Progress, Read, Write, tiles
from cgkit.tiling.windows import Window

PATCH = 512
OVERLAP = 64
"""How many pixels a patch reaches into its neighbours; it fades over as many, and the outermost half is not used."""

THUMBNAIL = 1024
"""The longest side of the copy that statistics are taken from."""


class PatchwiseGenerator:
    """A generator that translates an image in overlapping patches.

    With `thumbnail`, its norms take their statistics from a small copy of the whole image (thumbnail instance
    normalisation, Chen et al., AAAI 2022); otherwise each patch has its own, and so its own colours.

    Args:
        generator: in evaluation mode, on the device of `precision`.
        precision: what it computes in.
        thumbnail: whether statistics are those of a small copy.
    """

    def __init__(self, generator: nn.Module, precision: Precision, *, thumbnail: bool) -> None:
        self._generator = generator
        self._precision = precision
        self._thumbnail = thumbnail
        self._stride = int(getattr(generator, "stride", 1))

    def translate(
        self,
        read: Read,
        write: Write,
        size: tuple[int, int],
        *,
        tile: int | None = None,
        progress: Progress = lambda share: None,
    ) -> None:
        """Translate an image; as `TiledGenerator.translate`."""
        with torch.inference_mode(), self._precision.autocast():
            statistics = self._statistics(read, size) if self._thumbnail else None
            windows = list(tiles(size, tile or PATCH, self._stride))
            fading = _Fading(write, size, self._grown_by)
            for number, window in enumerate(windows, start=1):
                around = window.grown(self._grown_by, *size)
                image = read(around).to(self._precision.device)
                if statistics is None:
                    made = self._generator(image)
                else:
                    with statistics.frozen():
                        made = self._generator(image)
                fading.add(window, around, made.float().cpu())
                progress(number / len(windows))

    @property
    def _grown_by(self) -> int:
        return -(-OVERLAP // self._stride) * self._stride

    def _statistics(self, read: Read, size: tuple[int, int]) -> Statistics:
        small = torch.cat(list(_thumbnail(read, size, -(-max(size) // THUMBNAIL))), 2)
        below, right = -small.shape[2] % self._stride, -small.shape[3] % self._stride
        small = F.pad(small, (0, right, 0, below), mode="replicate")
        return statistics_of(self._generator, [small.to(self._precision.device)])


def _thumbnail(read: Read, size: tuple[int, int], times: int) -> Iterator[Tensor]:
    """Yield the rows of a copy that is so many times as small, a few at a time."""
    height, width = size
    rows = times * max(1, 256 // times)
    for top in range(0, height // times * times, rows):
        strip = read(Window(top, min(top + rows, height // times * times), 0, width // times * times))
        yield F.avg_pool2d(strip.float(), times)


class _Fading:
    """Adds up patches that overlap, and writes rows of the image that no further patch will touch."""

    def __init__(self, write: Write, size: tuple[int, int], shared: int) -> None:
        self._write = write
        self._size = size
        self._shared = shared
        self._top = 0
        self._sums = torch.zeros(0)
        self._weights = torch.zeros(0)

    def add(self, window: Window, around: Window, patch: Tensor) -> None:
        """Take in a patch that shows `around`, of which `window` is its own; they come row by row."""
        if self._sums.ndim == 1:
            self._sums = patch.new_zeros(1, patch.shape[1], 0, self._size[1])
            self._weights = patch.new_zeros(1, 1, 0, self._size[1])
        more = around.bottom - self._top - self._sums.shape[2]
        if more > 0:
            self._sums = F.pad(self._sums, (0, 0, 0, more))
            self._weights = F.pad(self._weights, (0, 0, 0, more))
        weight = _weight(window, around, self._size)
        place = (..., slice(around.top - self._top, around.bottom - self._top), slice(around.left, around.right))
        self._sums[place] += patch * weight
        self._weights[place] += weight
        if window.right == self._size[1]:  # the last of its row
            last = window.bottom == self._size[0]
            self._release(window.bottom if last else window.bottom - self._shared)

    def _release(self, until: int) -> None:
        rows = until - self._top
        if rows <= 0:
            return
        done = self._sums[:, :, :rows] / self._weights[:, :, :rows]
        self._write(Window(self._top, until, 0, self._size[1]), done)
        self._sums, self._weights = self._sums[:, :, rows:].clone(), self._weights[:, :, rows:].clone()
        self._top = until


def _weight(window: Window, around: Window, size: tuple[int, int]) -> Tensor:
    rows = _ramp(around.top, window.top, window.bottom, around.bottom, size[0])
    columns = _ramp(around.left, window.left, window.right, around.right, size[1])
    return rows[:, None] * columns


def _ramp(start: int, own: int, own_end: int, end: int, length: int) -> Tensor:
    """Return weights from `start` to `end`: nothing where the cut edge is nearest, then rising to 1, and so falling.

    Those of neighbours add up to 1.
    """
    places = torch.arange(start, end) + 0.5
    weights = torch.ones(end - start)
    if start > 0:
        weights = torch.minimum(weights, (places - own) / (own - start) + 0.5)
    if end < length:
        weights = torch.minimum(weights, (own_end - places) / (end - own_end) + 0.5)
    return weights.clamp_min(0)


__all__ = ["OVERLAP", "PATCH", "THUMBNAIL", "PatchwiseGenerator"]
