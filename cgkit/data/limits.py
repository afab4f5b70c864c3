"""How large an image may be."""

from __future__ import annotations

from cgkit.errors import DataError

MAX_BYTES = 1_000_000_000
MAX_PIXELS = 64_000_000
MAX_VALUES = 256_000_000
"""Pixels times channels: a gigabyte, as 32-bit floats."""
MAX_ASPECT = 64


def check_length(length: int) -> None:
    """Raise a `DataError`, without a file's name, where a file is empty or has too many bytes."""
    if length == 0:
        raise DataError("empty")
    if length > MAX_BYTES:
        raise DataError(f"larger than {MAX_BYTES // 1_000_000} MB")


def check_size(width: int, height: int, channels: int = 1) -> None:
    """Raise a `DataError`, without a file's name, where an image has too many pixels or values, or is a long strip."""
    if width * height > MAX_PIXELS:
        raise DataError(f"{width}x{height} is more than {MAX_PIXELS // 1_000_000} million pixels")
    if width * height * channels > MAX_VALUES:
        raise DataError(f"{width}x{height}x{channels} is more than {MAX_VALUES // 1_000_000} million values")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise DataError(f"{width}x{height} is too long a strip")
