"""Convert between the values of a file and the range [0, 1] that the networks use."""

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
"""The default range of each type that has one."""
WRITTEN_AS = {
    "bool": "uint8",
    "int8": "int16",
    "int64": "int32",
    "uint64": "uint32",
    "float16": "float32",
    "float64": "float32",
}
"""The depth of translations, if it differs from the depth of the domain's files."""

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True)
class PixelFormat:
    """How the images of a domain are stored, and how they are presented to the networks.

    Attributes:
        channels: Number of channels that the networks see.
        range: The values that become 0 and 1; None for the full range of 8 or 16 bits.
        depth: The type in which translations are written, by NumPy's name.
        alpha: The treatment of transparency: `composite` over `background`; `carry`, which also copies it to the
            translation; or `channel`, the last of 2 or 4 channels.
        background: The colour behind transparent pixels, 0 to 255.
        pages: Whether the pages of a TIFF file are its bands; otherwise a file must have one page.
        array: The name of the array in `.npz` files with several.
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
        """Number of channels besides transparency."""
        return self.channels - self.has_alpha

    def has_range_of(self, depth: str) -> bool:
        """Return whether the range of values of a depth is known."""
        return self.range is not None or depth in WHOLE_RANGES

    @property
    def written_range(self) -> Range:
        """The values that 0 and 1 become in a file."""
        return self.range or WHOLE_RANGES[self.depth]


def misfit(header: ImageHeader, pixels: PixelFormat) -> DataError | None:
    """Return the reason why an image does not fit a domain, without the file's name, or None if it fits."""
    if not pixels.has_range_of(header.depth):
        return DataError(
            f"contains {header.depth} values, and no range is declared for them",
            hint="declare data.range",
        )
    held, wanted = header.channels - header.alpha, pixels.colours
    if held == wanted or (header.layout != "bands" and {held, wanted} == {1, 3}):
        return None
    besides = " besides transparency" if pixels.has_alpha else ""
    hint = "set data.channels, or remove it"
    if header.format in ("NPY", "NPZ") and wanted in (header.height, header.width):
        hint = "arrays are (H, W) or (H, W, channels)"
    return DataError(f"has {held} channel{'s' * (held > 1)}, but its domain has {wanted}{besides}", hint=hint)


def to_unit(values: NDArray[Any], header: ImageHeader, pixels: PixelFormat) -> tuple[Tensor, Tensor | None]:
    """Convert an image to the form that the networks see, and return its transparency too.

    Values outside the range are clipped. Transparency is composited over the background. Grey is repeated to three
    channels; colour is reduced to one channel by its luma (ITU-R BT.601).

    Args:
        values: `(H, W, channels)`.
        header: The header of the image.
        pixels: The format of the domain.

    Returns:
        float32 `(channels, H, W)` in [0, 1]; and `(1, H, W)`, 0 for transparent pixels, or None if all are opaque.

    Raises:
        DataError: The image does not fit the domain, or contains NaN or infinity; without the file's name.
    """
    if (problem := misfit(header, pixels)) is not None:
        raise problem
    whole = WHOLE_RANGES.get(header.depth)
    if not header.alpha:
        colours, alpha = _to_unit_range(values, pixels.range or whole), None
    else:
        colours = _to_unit_range(values[..., :-1], pixels.range or whole)
        alpha = _to_unit_range(values[..., -1:], (0, _max_alpha(header.depth)))
    if pixels.has_alpha:
        alpha = torch.ones_like(colours[:1]) if alpha is None else alpha
        return torch.cat([_convert_channels(colours, pixels.colours), alpha]), alpha
    if alpha is not None and len(colours) in (1, 3):
        background = torch.tensor(pixels.background, dtype=torch.float32).div(255)[:, None, None]
        colours = colours * alpha + background * (1 - alpha)
    return _convert_channels(colours, pixels.colours), alpha


def to_values(image: Tensor, pixels: PixelFormat) -> NDArray[Any]:
    """Convert `(C, H, W)` in [0, 1] to the values of a file, `(H, W, C)`, rounded if the file stores integers."""
    unit = image.detach().float().clamp(0, 1).cpu().numpy().transpose(1, 2, 0)
    if not pixels.has_alpha:
        return _to_range(unit, pixels.written_range, pixels.depth)
    colours = _to_range(unit[..., :-1], pixels.written_range, pixels.depth)
    alpha = _to_range(unit[..., -1:], (0, _max_alpha(pixels.depth)), pixels.depth)
    return np.concatenate([colours, alpha], axis=-1)


def with_alpha(image: Tensor, alpha: Tensor | None, pixels: PixelFormat) -> tuple[Tensor, PixelFormat]:
    """Append a transparency channel, `(1, H, W)`, to a grey or colour image; images of bands are returned unchanged."""
    if alpha is None or pixels.channels not in (1, 3):
        return image, pixels
    return torch.cat([image.cpu(), alpha]), replace(pixels, channels=pixels.channels + 1, alpha="channel")


def _max_alpha(depth: str) -> int:
    """Return the value of full opacity, which does not depend on the range of the colours."""
    return int(np.iinfo(depth).max) if np.issubdtype(depth, np.integer) else 1


def _to_unit_range(values: NDArray[Any], span: Range | None) -> Tensor:
    """Convert `(H, W, C)` values to float32 `(C, H, W)` in [0, 1]."""
    low, high = span or (0, 1)
    if values.dtype == np.uint8 and low == 0:
        planes = torch.from_numpy(np.array(values.transpose(2, 0, 1), order="C"))
        scaled = planes.to(torch.float32).div_(high)
        return scaled if high >= 255 else scaled.clamp_(0, 1)
    # float32 cannot represent every 32-bit integer.
    needs_float64 = values.dtype.itemsize > 2 and values.dtype != np.float32
    # Always a copy, since the operations below are in place.
    copy = np.array(values.transpose(2, 0, 1), dtype=np.float64 if needs_float64 else np.float32, order="C")
    if not np.isfinite(copy).all():
        raise DataError("contains NaN or infinite values", hint="replace these values, or remove it")
    return torch.from_numpy(copy).sub_(low).div_(high - low).clamp_(0, 1).float()


def _to_range(unit: NDArray[Any], span: Range, depth: str) -> NDArray[Any]:
    low, high = span
    values = unit.astype(np.float64) * (high - low) + low
    return (np.rint(values) if np.issubdtype(depth, np.integer) else values).astype(depth)


def _convert_channels(colours: Tensor, wanted: int) -> Tensor:
    if len(colours) == wanted:
        return colours
    if len(colours) == 1:
        return colours.repeat(3, 1, 1)
    return (colours * torch.tensor(_LUMA)[:, None, None]).sum(0, keepdim=True).clamp_(0, 1)
