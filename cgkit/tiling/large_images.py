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
"""Number of pixels up to which an image is always translated whole: analysing the generator would take longer."""

WHOLE_BYTES = 1_000_000_000
"""The most memory for the features of an image that is translated whole on a CPU."""


@dataclass(frozen=True)
class Tiling:
    """How to translate large images.

    Attributes:
        tile: `auto` to use tiles if the whole image would need much memory, `never`, or a number to always use tiles
            of at most so many pixels a side.
        method: `exact` for the result of the whole image, `thumbnail` for norms with the statistics of a small copy,
            `independent` for patches with their own statistics.
    """

    tile: int | Literal["auto", "never"] = "auto"
    method: Method = "exact"

    @property
    def side(self) -> int | None:
        """The side of tiles in pixels, if one is given."""
        return self.tile if isinstance(self.tile, int) else None


class LargeImages:
    """Translates images in tiles.

    Args:
        generator: in evaluation mode, on the device of `precision`.
        channels: of the images.
        precision: of the computation.
        tiling: when to use tiles, and which method.
    """

    def __init__(self, generator: nn.Module, channels: int, precision: Precision, tiling: Tiling) -> None:
        self._generator = generator
        self._channels = channels
        self._precision = precision
        self._tiling = tiling
        self._stride = stride_of(generator)

    def might_tile(self, height: int, width: int) -> bool:
        """Return whether `should_tile` could return true; unlike `should_tile`, this is fast and thread-safe."""
        return self._tiling.side is not None or (self._tiling.tile == "auto" and height * width > SMALL)

    def should_tile(self, height: int, width: int) -> bool:
        """Return whether to translate an image of that size in tiles.

        With `auto`, this is the case if the features of the whole image would take more than a gigabyte on a CPU, or a
        quarter of a GPU's memory. If the generator cannot be tiled exactly, even such images are translated whole.
        """
        if self._tiling.side is not None or not self.might_tile(height, width):
            return self._tiling.side is not None
        if isinstance(self._exact, UntileableError):
            return self._tiling.method != "exact"
        return self._exact.plan.bytes * height * width > self._memory_limit()

    def translate_values(
        self, values: Values, source: PixelFormat, target: PixelFormat, progress: Progress = lambda share: None
    ) -> tuple[NDArray[Any], PixelFormat]:
        """Translate an image as stored in its file, `(H, W, C)`; the whole image is never converted to floats.

        Args:
            values: the image.
            source: the format of the model's input.
            target: the format of the model's output.
            progress: called with the finished share.

        Returns:
            the translation, and its format: `target`, with transparency if the source has some to carry over.
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

        self._translate(lambda window: read_with_alpha(window)[0][None], write, (height, width), progress)
        return translation, written

    def translate_tensor(self, image: Tensor, out_channels: int) -> Tensor:
        """Translate an image `(C, H, W)` in [0, 1]."""
        height, width = image.shape[-2:]
        translation = torch.empty(out_channels, height, width)

        def read(window: Window) -> Tensor:
            return image[None, :, *window.slices]

        def write(window: Window, pixels: Tensor) -> None:
            translation[:, *window.slices] = pixels[0]

        self._translate(read, write, (height, width), lambda share: None)
        return translation

    def _translate(self, read: Read, write: Write, size: Size, progress: Progress) -> None:
        """Translate an image in [0, 1] of any size.

        Raises:
            UsageError: the generator cannot be tiled exactly.
            ResourceError: the folder of temporary files has too little space.
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
                f"tiles cannot give the result of the whole image with this generator: {self._exact}",
                hint="translate whole images (tile never), or approximate (tiling thumbnail or independent)",
            ) from self._exact
        return self._exact


__all__ = ["LargeImages", "Method", "Tiling"]
