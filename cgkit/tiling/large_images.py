"""The decision whether to translate an image in tiles, and the translation in tiles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cgkit.abilities import stride_of
from cgkit.contracts import Size
from cgkit.engine.precision import Precision
from cgkit.errors import UsageError
from cgkit.images.pixels import PixelFormat, to_unit, to_values, with_alpha
from cgkit.images.reading import Values
from cgkit.tiling.blended_patches import PatchwiseGenerator
from cgkit.tiling.tiled_generator import TiledGenerator, UntileableError
from cgkit.tiling.windows import Progress, Read, Window, WindowTranslator, Write, pad_to_stride

Method = Literal["exact", "thumbnail", "independent"]

SMALL = 1_000_000
"""With `auto`, images of up to this many pixels are translated whole, because analysing the generator takes longer."""

WHOLE_BYTES = 1_000_000_000
"""With `auto` on a CPU, images whose features take up to this many bytes of memory are translated whole."""


@dataclass(frozen=True)
class Tiling:
    """How to translate large images.

    Attributes:
        tile: `auto` to use tiles if the whole image would need much memory, `never` to translate every image whole, or
            the maximum side of a tile in pixels to translate every image in tiles.
        method: `exact` for the result of translating the whole image, `thumbnail` for patches whose norms use the
            statistics of a small copy of the image, `independent` for patches whose norms use their own statistics.
    """

    tile: int | Literal["auto", "never"] = "auto"
    method: Method = "exact"

    @property
    def side(self) -> int | None:
        """The maximum side of a tile in pixels; None if `tile` is not a number."""
        return self.tile if isinstance(self.tile, int) else None


class LargeImages:
    """Translates images in tiles.

    Args:
        generator: the generator, in evaluation mode, on the device of `precision`.
        channels: number of channels of the images to translate.
        precision: the number format and the device of the computation.
        tiling: when to use tiles, and with which method.
    """

    def __init__(self, generator: nn.Module, channels: int, precision: Precision, tiling: Tiling) -> None:
        self._generator = generator
        self._channels = channels
        self._precision = precision
        self._tiling = tiling
        self._stride = stride_of(generator)

    def might_tile(self, height: int, width: int) -> bool:
        """Return whether `should_tile` could return true; unlike `should_tile`, this method is fast and thread-safe."""
        return self._tiling.side is not None or (self._tiling.tile == "auto" and height * width > SMALL)

    def should_tile(self, height: int, width: int) -> bool:
        """Return whether to translate an image of that size in tiles.

        With `auto`, an image is translated in tiles if the features of the whole image would take more than a gigabyte
        on a CPU, or more than a quarter of a GPU's memory. If the generator cannot be tiled exactly, the method `exact`
        translates every image whole, and the other methods use tiles for every image of more than `SMALL` pixels.
        """
        if self._tiling.side is not None or not self.might_tile(height, width):
            return self._tiling.side is not None
        if isinstance(self._exact, UntileableError):
            return self._tiling.method != "exact"
        return self._exact.plan.bytes * height * width > self._memory_limit()

    def translate_values(
        self, values: Values, source: PixelFormat, target: PixelFormat, progress: Progress = lambda share: None
    ) -> tuple[NDArray[Any], PixelFormat]:
        """Translate an image as stored in its file, `(H, W, C)`, without ever converting the whole image to floats.

        Args:
            values: the pixel values and the header of the image.
            source: the pixel format of the model's input.
            target: the pixel format of the model's output.
            progress: called with the fraction completed so far, from 0 to 1.

        Returns:
            the translation and its pixel format: `target`, plus an alpha channel if the image has one to carry over.
        """
        height, width = values.content.shape[:2]
        carry_alpha = source.alpha == "carry" and values.header.alpha
        _, written = with_alpha(torch.zeros(1), torch.zeros(1) if carry_alpha else None, target)
        translation = np.empty((height, width, written.channels), written.depth)

        def read_with_alpha(window: Window) -> tuple[Tensor, Tensor | None]:
            return to_unit(values.content[window.slices], values.header, source)

        def write(window: Window, pixels: Tensor) -> None:
            image, _ = with_alpha(pixels[0], read_with_alpha(window)[1] if carry_alpha else None, target)
            translation[window.slices] = to_values(image, written)

        self.translate_windows(lambda window: read_with_alpha(window)[0][None], write, (height, width), progress)
        return translation, written

    def translate_tensor(self, image: Tensor, out_channels: int) -> Tensor:
        """Translate an image `(C, H, W)` in [0, 1] to `(out_channels, H, W)` in [0, 1], in float32 on the CPU."""
        height, width = image.shape[-2:]
        translation = torch.empty(out_channels, height, width)

        def read(window: Window) -> Tensor:
            return image[None, :, *window.slices]

        def write(window: Window, pixels: Tensor) -> None:
            translation[:, *window.slices] = pixels[0]

        self.translate_windows(read, write, (height, width), lambda share: None)
        return translation

    def translate_windows(self, read: Read, write: Write, size: Size, progress: Progress) -> None:
        """Translate an image in [0, 1] of any size, whose windows are read and written one by one.

        Raises:
            UsageError: the method is `exact`, and the generator cannot be tiled exactly.
            ResourceError: the folder for temporary files has too little space or is not writable.
        """
        padded = pad_to_stride(read, write, size, self._stride)
        self._window_translator.translate(*padded, tile=self._tiling.side, progress=progress)

    def _memory_limit(self) -> float:
        if self._precision.device.type == "cuda":
            return torch.cuda.get_device_properties(self._precision.device).total_memory / 4
        return WHOLE_BYTES

    @cached_property
    def _exact(self) -> TiledGenerator | UntileableError:
        try:
            return TiledGenerator(self._generator, self._channels, self._precision)
        except UntileableError as error:
            return error

    @cached_property
    def _window_translator(self) -> WindowTranslator:
        if self._tiling.method != "exact":
            thumbnail = self._tiling.method == "thumbnail"
            return PatchwiseGenerator(self._generator, self._precision, thumbnail=thumbnail)
        if isinstance(self._exact, UntileableError):
            raise UsageError(
                f"images cannot be tiled exactly with this generator: {self._exact}",
                hint="translate images whole (tile never), or approximate the result (tiling thumbnail or independent)",
            ) from self._exact
        return self._exact


__all__ = ["LargeImages", "Method", "Tiling"]
