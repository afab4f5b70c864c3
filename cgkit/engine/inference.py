"""Applying a generator to images of any size, in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cgkit.engine.precision import Precision
from cgkit.engine.scratch import Window
from cgkit.engine.statistics import precise
from cgkit.evaluation.gathering import Translate


def translation_by(
    generator: nn.Module, precision: Precision, layout: torch.memory_format = torch.contiguous_format
) -> Translate:
    """Return a function from images `(N, C, H, W)` in [0, 1] to their translations, float32 on the CPU.

    Height and width need not be multiples of the generator's stride: images are padded (mirrored, or with their edge
    repeated where they are smaller than the padding) and cropped back. The generator runs in evaluation mode.

    Args:
        generator: the network.
        precision: what it computes in, and where.
        layout: how the images that it is given lie in memory.
    """
    stride = int(getattr(generator, "stride", 1))

    @torch.inference_mode()
    def translate(images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        below, right = -height % stride, -width % stride
        padding = "reflect" if below < height and right < width else "replicate"
        inputs = images.to(precision.device, precision.dtype) * 2 - 1
        if below or right:
            inputs = F.pad(inputs, (0, right, 0, below), mode=padding)
        was_training = generator.training
        generator.eval()
        try:
            with precision.autocast(), precise() if layout == torch.channels_last else nullcontext():
                outputs = generator(inputs.contiguous(memory_format=layout))
        finally:
            generator.train(was_training)
        cropped: Tensor = outputs[..., :height, :width]
        return ((cropped.float() + 1) / 2).clamp(0, 1).cpu()

    return translate


def translations_by(generators: nn.ModuleDict, precision: Precision) -> dict[str, Translate]:
    """Return the translation of each direction by name."""
    return {direction: translation_by(generator, precision) for direction, generator in generators.items()}


Pixels = Callable[[Window], Tensor]
"""From a window of an image to its pixels, `(1, C, h, w)` in [0, 1]."""

Take = Callable[[Window, Tensor], None]
"""Takes a window of a translation and its pixels, `(1, C, h, w)` in [0, 1], float32 on the CPU."""


class Windowed(Protocol):
    """What translates an image window by window; its height and width are multiples of the generator's stride."""

    def translate(
        self, read: Pixels, write: Take, size: tuple[int, int], *, tile: int | None, progress: Callable[[float], None]
    ) -> None:
        """Translate an image in [-1, 1]."""


def translate_windows(
    generator: Windowed,
    stride: int,
    pixels: Pixels,
    take: Take,
    size: tuple[int, int],
    *,
    tile: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> None:
    """Translate an image of any size window by window, padded and cropped as `translation_by` does.

    Args:
        generator: what translates.
        stride: its height and width are made multiples of.
        pixels: gives windows of the image.
        take: takes windows of the translation.
        size: height and width.
        tile: pixels a side of the windows; by default as it suits the generator.
        progress: is told the share that is done.
    """
    height, width = size
    rows, columns = _padded(height, stride), _padded(width, stride)

    def read(window: Window) -> Tensor:
        wanted_rows, wanted_columns = rows[window.top : window.bottom], columns[window.left : window.right]
        top, left = int(wanted_rows.min()), int(wanted_columns.min())
        inner = pixels(Window(top, int(wanted_rows.max()) + 1, left, int(wanted_columns.max()) + 1))
        return inner[:, :, wanted_rows - top][..., wanted_columns - left] * 2 - 1

    def write(window: Window, made: Tensor) -> None:
        inner = Window(window.top, min(window.bottom, height), window.left, min(window.right, width))
        if inner.height > 0 and inner.width > 0:
            take(inner, ((inner.cut_out_of(window, made).float() + 1) / 2).clamp(0, 1).cpu())

    generator.translate(read, write, (len(rows), len(columns)), tile=tile, progress=progress)


def _padded(length: int, stride: int) -> Tensor:
    """Return which row, or column, of an image lies at each place of the padded one."""
    more = -length % stride
    places = torch.arange(length + more)
    mirrored = torch.where(places < length, places, 2 * (length - 1) - places)
    return mirrored if more < length else places.clamp_max(length - 1)
