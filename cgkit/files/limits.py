"""Limits on the size of an image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cgkit.errors import DataError
from cgkit.packages import SCENES, STACKS

MAX_BYTES = 1_000_000_000
MAX_PIXELS = 64_000_000
MAX_VALUES = 256_000_000
"""Limit on pixels times channels; that many float32 values take about a gigabyte."""
MAX_ASPECT = 64

_pixel_limits = [MAX_PIXELS]
"""A stack of limits on the number of pixels; the last one applies."""


def most_pixels() -> int:
    """Return the current limit on the number of pixels."""
    return _pixel_limits[-1]


@contextmanager
def at_most(pixels: int | None) -> Iterator[None]:
    """Allow images of up to `pixels` pixels and four times as many values, in all threads, during a `with` block.

    None keeps the current limits.
    """
    if pixels is None:
        yield
        return
    from PIL import Image

    pillow_limit = Image.MAX_IMAGE_PIXELS
    _pixel_limits.append(pixels)
    Image.MAX_IMAGE_PIXELS = max(pixels, pillow_limit or 0)
    try:
        yield
    finally:
        _pixel_limits.pop()
        Image.MAX_IMAGE_PIXELS = pillow_limit


def check_length(length: int) -> None:
    """Raise a `DataError` if a file of `length` bytes is empty or too large; the message does not name the file."""
    if length == 0:
        raise DataError("empty")
    if length > MAX_BYTES:
        raise DataError(f"larger than {MAX_BYTES // 1_000_000} MB")


def check_size(width: int, height: int, channels: int = 1) -> None:
    """Raise a `DataError` if an image has too many pixels or values, or too large an aspect ratio.

    The message does not name the file.
    """
    limit = most_pixels()
    if width * height > limit:
        hint = f"cut it into parts, or translate with --max-pixels; {SCENES} reads larger maps, {STACKS} whole slides"
        raise DataError(f"{width}x{height} exceeds the limit of {limit // 1_000_000} million pixels", hint=hint)
    values = MAX_VALUES * limit // MAX_PIXELS
    if width * height * channels > values:
        raise DataError(f"{width}x{height}x{channels} exceeds the limit of {values // 1_000_000} million values")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise DataError(f"{width}x{height} is too elongated; the largest aspect ratio is {MAX_ASPECT}:1")
