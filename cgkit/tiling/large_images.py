"""When an image is translated in tiles, and how."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cgkit.engine.precision import Precision
from cgkit.errors import UsageError
from cgkit.images.pixels import PixelFormat, to_unit, to_values, with_alpha
from cgkit.images.reading import Values
from cgkit.tiling.blended_patches import PatchwiseGenerator
from cgkit.tiling.tiled_generator import Progress, TiledGenerator, UntileableError
from cgkit.tiling.windows import Pixels, Take, Window, Windowed, translate_windows

Method = Literal["exact", "thumbnail", "independent"]
METHODS: tuple[Method, ...] = ("exact", "thumbnail", "independent")

SMALL = 1_000_000
"""Pixels up to which an image is always translated whole: looking at the generator takes longer."""

WHOLE_BYTES = 1_000_000_000
"""The most that the features of an image translated whole may take, on a CPU."""


@dataclass(frozen=True)
class Tiling:
    """How large images are translated.

    Attributes:
        tile: `auto` for tiles where the whole image would need much memory, `never`, or always, with tiles of that many
            pixels a side at most.
        method: `exact` for the result of the whole image; `thumbnail` for norms whose statistics are those of a small
            copy; `independent` for patches by themselves.
    """

    tile: int | Literal["auto", "never"] = "auto"
    method: Method = "exact"

    @property
    def side(self) -> int | None:
        """Pixels a side, where they are given."""
        return self.tile if isinstance(self.tile, int) else None


class LargeImages:
    """Translates images with a generator window by window.

    Args:
        generator: in evaluation mode, on the device of `precision`.
        channels: of the images.
        precision: what it computes in.
        tiling: when it does so, and how.
    """

    def __init__(self, generator: nn.Module, channels: int, precision: Precision, tiling: Tiling) -> None:
        self._generator = generator
        self._channels = channels
        self._precision = precision
        self._tiling = tiling
        self._stride = int(getattr(generator, "stride", 1))

    def wanted(self, height: int, width: int) -> bool:
        """Return whether an image of that size is translated in tiles.

        With `auto` that is where the features of the whole image would take more than a gigabyte on a CPU, or a quarter
        of a GPU's memory. A generator that cannot be tiled exactly gets such images whole all the same.
        """
        if isinstance(self._tiling.tile, int) or not self.may_be(height, width):
            return isinstance(self._tiling.tile, int)
        if isinstance(self._exact, UntileableError):
            return self._tiling.method != "exact"
        return self._exact.plan.bytes * height * width > self._most()

    def translate(
        self, pixels: Pixels, take: Take, size: tuple[int, int], progress: Progress = lambda share: None
    ) -> None:
        """Translate an image of that height and width.

        Raises:
            UsageError: the generator cannot be tiled with the result of the whole image.
            ResourceError: the folder of temporary files has too little space.
        """
        translate_windows(self._windowed, self._stride, pixels, take, size, tile=self._tiling.side, progress=progress)

    def may_be(self, height: int, width: int) -> bool:
        """Return whether `wanted` may say so of an image of that size; asked in any thread, and at once."""
        return isinstance(self._tiling.tile, int) or (self._tiling.tile == "auto" and height * width > SMALL)

    def translated_values(
        self, values: Values, source: PixelFormat, target: PixelFormat, progress: Progress = lambda share: None
    ) -> tuple[NDArray[Any], PixelFormat]:
        """Return the translation of an image as a file holds it, `(H, W, C)`, and its format; never whole as floats.

        Args:
            values: the image.
            source: what the model takes.
            target: what it gives; with the transparency of the image, where that is carried over.
            progress: is told the share that is done.
        """
        height, width = values.content.shape[:2]
        carried = source.alpha == "carry" and values.header.alpha
        _, written = with_alpha(torch.zeros(1), torch.zeros(1) if carried else None, target)
        made = np.empty((height, width, written.channels), written.depth)

        def unit(window: Window) -> tuple[Tensor, Tensor | None]:
            part = values.content[window.top : window.bottom, window.left : window.right]
            return to_unit(part, values.header, source)

        def take(window: Window, translated: Tensor) -> None:
            image, _ = with_alpha(translated[0], unit(window)[1] if carried else None, target)
            made[window.top : window.bottom, window.left : window.right] = to_values(image, written)

        self.translate(lambda window: unit(window)[0][None], take, (height, width), progress)
        return made, written

    def translated(self, image: Tensor, out_channels: int) -> Tensor:
        """Return the translation of one image `(C, H, W)` in [0, 1], which is in memory already."""
        height, width = image.shape[-2:]
        made = torch.empty(out_channels, height, width)

        def pixels(window: Window) -> Tensor:
            return image[None, :, window.top : window.bottom, window.left : window.right]

        def take(window: Window, translated: Tensor) -> None:
            made[:, window.top : window.bottom, window.left : window.right] = translated[0]

        self.translate(pixels, take, (height, width))
        return made

    def _most(self) -> float:
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
    def _windowed(self) -> Windowed:
        if self._tiling.method != "exact":
            thumbnail = self._tiling.method == "thumbnail"
            return PatchwiseGenerator(self._generator, self._precision, thumbnail=thumbnail)
        if isinstance(self._exact, UntileableError):
            raise UsageError(
                f"the generator cannot be given tiles with the result of the whole image: {self._exact}",
                hint="translate whole images (tile never), or approximate (tiling thumbnail or independent)",
            ) from self._exact
        return self._exact


__all__ = ["METHODS", "LargeImages", "Method", "Tiling"]
