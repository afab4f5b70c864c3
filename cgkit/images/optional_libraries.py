"""Libraries that only some files need: import them on demand, and translate their errors."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from cgkit.errors import DataError


@contextmanager
def damage_explained() -> Iterator[None]:
    """Turn any exception of a library into a `ValueError`; libraries document none for damaged files."""
    try:
        yield
    except (DataError, OSError, MemoryError, Image.DecompressionBombError):
        raise
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error


def library(name: str, needed_for: str) -> Any:
    """Import a library of the extra `tiff`.

    Raises:
        DataError: It is not installed; the hint says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DataError(f"{needed_for} needs {name}", hint='pip install "cgkit[tiff]"') from error
