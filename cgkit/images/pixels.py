"""Convert between the values stored in image files and tensors in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgkit.contracts import ImageHeader, Reading
from cgkit.errors import DataError

Colour = tuple[int, int, int]
Range = tuple[float, float]
Alpha = Literal["composite", "carry", "channel"]

WHITE: Colour = (255, 255, 255)
WHOLE_RANGES: dict[str, Range] = {"bool": (0, 1), "uint8": (0, 255), "uint16": (0, 65_535)}
"""The values of black and white for each type that has a default range."""
WRITTEN_AS = {
    "bool": "uint8",
    "int8": "int16",
    "int64": "int32",
    "uint64": "uint32",
    "float16": "float32",
    "float64": "float32",
}
"""The depths that cgkit reads but does not write, each with the depth in which translations are written instead."""

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True)
class PixelFormat:
    """How the images of a domain are stored, and how they are presented to the networks.

    Attributes:
        channels: Number of channels that the networks see, including alpha if `alpha` is `channel`.
        range: The stored values that become 0 and 1; None for the full range of an 8-bit or 16-bit type.
        depth: The type in which translations are written, by its NumPy name.
        alpha: The treatment of alpha channels. `composite`: images are composited over `background`; `carry`: the same,
            but a translation gets its source image's alpha; `channel`: alpha is the last of 2 or 4 channels.
        background: The colour behind transparent pixels, each value from 0 to 255.
        pages: Whether the pages of a TIFF file are the bands of one image; if not, a file must have a single page.
        array: The name of the array to read from `.npz` files that contain several.
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
        """Whether the last channel is an alpha channel."""
        return self.alpha == "channel" and self.channels in (2, 4)

    @property
    def colours(self) -> int:
        """Number of channels, not counting an alpha channel."""
        return self.channels - self.has_alpha

    @property
    def reading(self) -> Reading:
        """What formats need to know to read the images of the domain."""
        return Reading(self.pages, self.array, self.channels if self.has_alpha else None)

    def has_range_of(self, depth: str) -> bool:
        """Return whether the range of values is known for files with a given depth."""
        return self.range is not None or depth in WHOLE_RANGES

    @property
    def written_range(self) -> Range:
        """The values that represent 0 and 1 in the files of translations."""
        return self.range or WHOLE_RANGES[self.depth]


def misfit(header: ImageHeader, pixels: PixelFormat) -> DataError | None:
    """Return the error for an image that does not fit its domain, without the file name, or None if the image fits."""
    if not pixels.has_range_of(header.depth):
        return DataError(
            f"contains {header.depth} values, but no range is declared for them",
            hint="declare data.range",
        )
    held, wanted = header.channels - header.alpha, pixels.colours
    if held == wanted or (header.layout != "bands" and {held, wanted} == {1, 3}):
        return None
    besides = " besides alpha" if pixels.has_alpha else ""
    hint = "set data.channels, or remove the file"
    if header.format == "TIFF" and header.layout == "bands" and held == wanted + 1:
        hint = (
            f"a map's last channel is read as a band, such as near infrared: set data.channels = {held}; if it is "
            'transparency, add data.alpha = "channel"'
        )
    if header.format in ("NPY", "NPZ") and wanted in (header.height, header.width):
        hint = "the shape must be (H, W) or (H, W, channels)"
    return DataError(f"has {held} channel{'s' * (held > 1)}, but its domain has {wanted}{besides}", hint=hint)


Mask = NDArray[np.bool_]
"""Which pixels of an image have no data, `(H, W, 1)`."""


def to_unit(values: NDArray[Any], header: ImageHeader, pixels: PixelFormat) -> tuple[Tensor, Tensor | None]:
    """Convert an image to the range [0, 1] and the channels of its domain; also return its alpha channel.

    Values outside the domain's range are clipped. Pixels without data become 0. Images with alpha are composited over
    the background, unless alpha is a channel of the domain. Grey is repeated in three channels; colour is reduced to
    one channel, the luma (ITU-R BT.601).

    Args:
        values: The stored values, `(H, W, channels)`.
        header: The header of the image.
        pixels: The pixel format of the domain.

    Returns:
        The image, float32 `(channels, H, W)` in [0, 1]; and its alpha channel, `(1, H, W)` from 0 (transparent) to 1
        (opaque), or None if neither the image nor the domain has one.

    Raises:
        DataError: The image does not fit the domain, or contains infinity; the message does not name the file.
    """
    return to_unit_without(missing_in(values, header), values, header, pixels)


def to_unit_without(
    missing: Mask | None, values: NDArray[Any], header: ImageHeader, pixels: PixelFormat
) -> tuple[Tensor, Tensor | None]:
    """Convert an image as `to_unit` does, if it is known which pixels have no data."""
    if (problem := misfit(header, pixels)) is not None:
        raise problem
    whole = WHOLE_RANGES.get(header.depth)
    if missing is not None and values.dtype.kind == "f":
        values = np.where(missing, values.dtype.type(0), values)
    if not header.alpha:
        colours, alpha = _to_unit_range(values, pixels.range or whole), None
    else:
        colours = _to_unit_range(values[..., :-1], pixels.range or whole)
        alpha = _to_unit_range(values[..., -1:], (0, _max_alpha(header.depth)))
    if missing is not None:
        colours.masked_fill_(torch.from_numpy(missing[..., 0]), 0.0)
    if pixels.has_alpha:
        alpha = torch.ones_like(colours[:1]) if alpha is None else alpha
        return torch.cat([_convert_channels(colours, pixels.colours), alpha]), alpha
    if alpha is not None and len(colours) in (1, 3):
        background = torch.tensor(pixels.background, dtype=torch.float32).div(255)[:, None, None]
        colours = colours * alpha + background * (1 - alpha)
    return _convert_channels(colours, pixels.colours), alpha


def missing_in(values: NDArray[Any], header: ImageHeader) -> Mask | None:
    """Return which pixels of an image have no data; None if all have data.

    These are the pixels of which any value is NaN, and those of which all values are `header.nodata`. A single value
    may be that by chance: black is often declared as no data, but pure red is not black.
    """
    if header.nodata is None and values.dtype.kind != "f":
        return None
    colours = values[..., :-1] if header.alpha else values
    missing = np.zeros((*values.shape[:2], 1), bool)
    if values.dtype.kind == "f":
        missing |= np.isnan(colours).any(-1, keepdims=True)
    if header.nodata is not None and not np.isnan(header.nodata):
        with np.errstate(over="ignore"):
            nodata = np.asarray(header.nodata).astype(values.dtype) if values.dtype.kind == "f" else header.nodata
        missing |= (colours == nodata).all(-1, keepdims=True)
    return missing if missing.any() else None


def put_back(values: NDArray[Any], missing: Mask, nodata: float) -> NDArray[Any]:
    """Return a translation whose pixels without data have the value `nodata`, and no others.

    Args:
        values: the values of the translation, `(H, W, channels)`.
        missing: which pixels of its image have no data, `(H, W, 1)`.
        nodata: the value for them, which `nodata_in` has fitted to the type of the values.
    """
    value = np.asarray(nodata).astype(values.dtype)
    if values.dtype.kind == "f":
        moved = np.nextafter(value, value.dtype.type(np.inf))
    else:
        moved = value + 1 if value < np.iinfo(values.dtype).max else value - 1
    return np.where(missing, value, np.where(values == value, moved, values)).astype(values.dtype)


def to_values(image: Tensor, pixels: PixelFormat) -> NDArray[Any]:
    """Convert a `(C, H, W)` tensor in [0, 1] to the `(H, W, C)` values of a file, rounded for integer types."""
    unit = image.detach().float().clamp(0, 1).cpu().numpy().transpose(1, 2, 0)
    if not pixels.has_alpha:
        return _to_range(unit, pixels.written_range, pixels.depth)
    colours = _to_range(unit[..., :-1], pixels.written_range, pixels.depth)
    alpha = _to_range(unit[..., -1:], (0, _max_alpha(pixels.depth)), pixels.depth)
    return np.concatenate([colours, alpha], axis=-1)


def with_alpha(image: Tensor, alpha: Tensor | None, pixels: PixelFormat) -> tuple[Tensor, PixelFormat]:
    """Append an alpha channel, `(1, H, W)`, to a grey or colour image; return the image and its new pixel format.

    Images with other bands are returned unchanged, and so is every image if `alpha` is None.
    """
    if alpha is None or pixels.channels not in (1, 3):
        return image, pixels
    return torch.cat([image.cpu(), alpha]), replace(pixels, channels=pixels.channels + 1, alpha="channel")


def _max_alpha(depth: str) -> int:
    """Return the alpha value of opaque pixels for a depth; the range of the colours does not affect it."""
    return int(np.iinfo(depth).max) if np.issubdtype(depth, np.integer) else 1


def _to_unit_range(values: NDArray[Any], span: Range | None) -> Tensor:
    """Convert `(H, W, C)` values to float32 `(C, H, W)` in [0, 1]."""
    low, high = span or (0, 1)
    if values.dtype == np.uint8 and low == 0:
        planes = torch.from_numpy(np.array(values.transpose(2, 0, 1), order="C"))
        scaled = planes.to(torch.float32).div_(high)
        return scaled if high >= 255 else scaled.clamp_(0, 1)
    # Scale wide types in float64, since float32 cannot represent every 32-bit integer.
    needs_float64 = values.dtype.itemsize > 2 and values.dtype != np.float32
    # Always make a copy, since the operations below are in place.
    copy = np.array(values.transpose(2, 0, 1), dtype=np.float64 if needs_float64 else np.float32, order="C")
    if not np.isfinite(copy).all():
        raise DataError("contains infinite values", hint="replace these values, or remove the file")
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
