"""From the values that a file holds to what the networks see, [0, 1], and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgkit.errors import DataError
from cgkit.images.header import ImageHeader

Colour = tuple[int, int, int]
Range = tuple[float, float]
Alpha = Literal["composite", "carry", "channel"]

WHITE: Colour = (255, 255, 255)
WHOLE_RANGES: dict[str, Range] = {"bool": (0, 1), "uint8": (0, 255), "uint16": (0, 65_535)}
"""What values range over where nothing is declared, by the types of which that can be said."""
WRITTEN_AS = {
    "bool": "uint8",
    "int8": "int16",
    "int64": "int32",
    "uint64": "uint32",
    "float16": "float32",
    "float64": "float32",
}
"""The depth in which translations are written, where it is not that of the domain's files."""

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True)
class PixelFormat:
    """How the images of one domain are stored, and what the networks see of them.

    Attributes:
        channels: how many the networks see.
        range: the values that become 0 and 1; None for the whole range of 8 or 16 bits.
        depth: NumPy's name of the type in which translations are written.
        alpha: what becomes of transparency: it is composited over `background`, or so and given to the translation
            (carry), or it is the last of 2 or 4 channels.
        background: the colour behind transparent pixels, 0 to 255.
        pages: whether the pages of a TIFF file are its bands; otherwise a file has one page.
        array: the name of the array in `.npz` files that hold several.
    """

    channels: int = 3
    range: Range | None = None
    depth: str = "uint8"
    alpha: Alpha = "composite"
    background: Colour = WHITE
    pages: bool = False
    array: str | None = None

    @property
    def has_alpha(self) -> bool:
        """Whether the last of the channels is transparency."""
        return self.alpha == "channel" and self.channels in (2, 4)

    @property
    def colours(self) -> int:
        """How many channels are not transparency."""
        return self.channels - self.has_alpha

    def has_range_of(self, depth: str) -> bool:
        """Return whether it is known what values of a depth become 0 and 1."""
        return self.range is not None or depth in WHOLE_RANGES

    @property
    def written_range(self) -> Range:
        """The values that 0 and 1 become in a file."""
        return self.range or WHOLE_RANGES[self.depth]


def misfit(header: ImageHeader, pixels: PixelFormat) -> DataError | None:
    """Return what keeps an image from being one of a domain's, without a file's name; None where it is one."""
    if not pixels.has_range_of(header.depth):
        return DataError(
            f"holds {header.depth} values, and nothing says which of them are black and white",
            hint="declare data.range",
        )
    held, wanted = header.channels - header.alpha, pixels.colours
    if held == wanted or (header.layout != "bands" and {held, wanted} == {1, 3}):
        return None
    of = "the domain's images have" if not pixels.has_alpha else "the domain's images have, beside transparency,"
    hint = "set data.channels, or remove it"
    if header.format in ("NPY", "NPZ") and wanted in (header.height, header.width):
        hint = "arrays are (H, W) or (H, W, channels)"
    return DataError(f"has {held} channel{'s' * (held > 1)}, and {of} {wanted}", hint=hint)


def to_unit(values: NDArray[Any], header: ImageHeader, pixels: PixelFormat) -> tuple[Tensor, Tensor | None]:
    """Return an image as the networks see it, and its transparency.

    Values outside the range are clipped. Transparency is composited over the background; grey is repeated to three
    channels; colour becomes one channel by its luma (ITU-R 601).

    Args:
        values: `(H, W, channels)`.
        header: what they are.
        pixels: what the domain's images are.

    Returns:
        float32 `(channels, H, W)` in [0, 1]; and `(1, H, W)`, 0 where nothing is to be seen, or None where all is.

    Raises:
        DataError: the image is none of the domain's, or has values that are no numbers; without a file's name.
    """
    if (problem := misfit(header, pixels)) is not None:
        raise problem
    whole = WHOLE_RANGES.get(header.depth)
    if not header.alpha:
        colours, alpha = _scaled(values, pixels.range or whole), None
    else:
        colours = _scaled(values[..., :-1], pixels.range or whole)
        alpha = _scaled(values[..., -1:], (0, _opaque(header.depth)))
    if pixels.has_alpha:
        alpha = torch.ones_like(colours[:1]) if alpha is None else alpha
        return torch.cat([_with_channels(colours, pixels.colours), alpha]), alpha
    if alpha is not None and len(colours) in (1, 3):
        behind = torch.tensor(pixels.background, dtype=torch.float32).div(255)[:, None, None]
        colours = colours * alpha + behind * (1 - alpha)
    return _with_channels(colours, pixels.colours), alpha


def to_values(image: Tensor, pixels: PixelFormat) -> NDArray[Any]:
    """Return `(C, H, W)` in [0, 1] as the values of a file, `(H, W, C)`; in whole numbers, each to the nearest."""
    unit = image.detach().float().clamp(0, 1).cpu().numpy().transpose(1, 2, 0)
    if not pixels.has_alpha:
        return _stretched(unit, pixels.written_range, pixels.depth)
    colours = _stretched(unit[..., :-1], pixels.written_range, pixels.depth)
    alpha = _stretched(unit[..., -1:], (0, _opaque(pixels.depth)), pixels.depth)
    return np.concatenate([colours, alpha], axis=-1)


def with_alpha(image: Tensor, alpha: Tensor | None, pixels: PixelFormat) -> tuple[Tensor, PixelFormat]:
    """Return grey or colour with a transparency of its own, `(1, H, W)`, as its last channel; bands have none."""
    if alpha is None or pixels.channels not in (1, 3):
        return image, pixels
    return torch.cat([image.cpu(), alpha]), replace(pixels, channels=pixels.channels + 1, alpha="channel")


def _opaque(depth: str) -> int:
    """Return what stands for full opacity, whatever the colours range over."""
    return int(np.iinfo(depth).max) if np.issubdtype(depth, np.integer) else 1


def _scaled(values: NDArray[Any], span: Range | None) -> Tensor:
    """Return `(H, W, C)` values as float32 `(C, H, W)` in [0, 1]."""
    low, high = span or (0, 1)
    if values.dtype == np.uint8 and low == 0:
        planes = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))
        scaled = planes.to(torch.float32).div_(high)
        return scaled if high >= 255 else scaled.clamp_(0, 1)
    # 32 bits of an integer are more than float32 holds.
    wide = values.dtype.itemsize > 2 and values.dtype != np.float32
    # A copy in any case: what follows is done in place.
    planes_of = np.array(values.transpose(2, 0, 1), dtype=np.float64 if wide else np.float32, order="C")
    if not np.isfinite(planes_of).all():
        raise DataError("holds values that are no numbers (nan) or infinite", hint="fill them, or remove it")
    return torch.from_numpy(planes_of).sub_(low).div_(high - low).clamp_(0, 1).float()


def _stretched(unit: NDArray[Any], span: Range, depth: str) -> NDArray[Any]:
    low, high = span
    values = unit.astype(np.float64) * (high - low) + low
    return (np.rint(values) if np.issubdtype(depth, np.integer) else values).astype(depth)


def _with_channels(colours: Tensor, wanted: int) -> Tensor:
    if len(colours) == wanted:
        return colours
    if len(colours) == 1:
        return colours.repeat(3, 1, 1)
    return (colours * torch.tensor(_LUMA)[:, None, None]).sum(0, keepdim=True).clamp_(0, 1)
