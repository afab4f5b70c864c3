"""The check that a network supports the size of an image."""

from __future__ import annotations

from torch import Tensor


def check_size(images: Tensor, *, least: int, multiple: int = 1) -> None:
    """Check the height and width of `(N, C, H, W)`.

    Raises:
        ValueError: height or width is less than `least`, or not a multiple of `multiple`.
    """
    height, width = images.shape[-2:]
    if min(height, width) < least or height % multiple or width % multiple:
        requirement = f"at least {least}" + (f" and multiples of {multiple}" if multiple > 1 else "")
        raise ValueError(f"images of {height}x{width} pixels do not fit: height and width must be {requirement}")
