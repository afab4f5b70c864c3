"""How large an image may be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from cgkit.errors import DataError

MAX_BYTES = 1_000_000_000
MAX_PIXELS = 64_000_000
MAX_VALUES = 256_000_000
"""Pixels times channels: a gigabyte, as 32-bit floats."""
MAX_ASPECT = 64

_pixels = [MAX_PIXELS]
"""How many are allowed now; the last one counts."""


def most_pixels() -> int:
    """Return how many pixels an image may have now."""
    return _pixels[-1]


@contextmanager
def at_most(pixels: int | None) -> Iterator[None]:
    """Allow images of so many pixels in the meantime, in all threads, and four values a pixel; None changes nothing."""
    if pixels is None:
        yield
        return
    pillows = Image.MAX_IMAGE_PIXELS
    _pixels.append(pixels)
    Image.MAX_IMAGE_PIXELS = max(pixels, pillows or 0)
    try:
        yield
    finally:
        _pixels.pop()
        Image.MAX_IMAGE_PIXELS = pillows


def check_length(length: int) -> None:
    """Raise a `DataError`, without a file's name, where a file is empty or has too many bytes."""
    if length == 0:
        raise DataError("empty")
    if length > MAX_BYTES:
        raise DataError(f"larger than {MAX_BYTES // 1_000_000} MB")


def check_size(width: int, height: int, channels: int = 1) -> None:
    """Raise a `DataError`, without a file's name, where an image has too many pixels or values, or is a long strip."""
    most = most_pixels()
    if width * height > most:
        raise DataError(f"{width}x{height} is more than {most // 1_000_000} million pixels")
    values = MAX_VALUES * most // MAX_PIXELS
    if width * height * channels > values:
        raise DataError(f"{width}x{height}x{channels} is more than {values // 1_000_000} million values")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise DataError(f"{width}x{height} is too long a strip")
