"""What reading a damaged file raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cgkit.errors import CgkitError, DamagedImageError


@contextmanager
def damage_explained() -> Iterator[None]:
    """Turn any exception into a `DamagedImageError`, since libraries do not document what they raise.

    `CgkitError` and lack of memory pass through.
    """
    try:
        yield
    except (CgkitError, MemoryError):
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DamagedImageError(f"damaged or truncated: {reason}", hint="repair or remove it") from error
