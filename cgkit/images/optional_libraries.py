"""Libraries that only some files need: imported when one of those is met, and told apart from us where they fail."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from cgkit.errors import DataError


@contextmanager
def damage_explained() -> Iterator[None]:
    """Turn whatever a library raises about a damaged file, of which it promises nothing, into a `ValueError`."""
    try:
        yield
    except (DataError, OSError, MemoryError, Image.DecompressionBombError):
        raise
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error


def library(name: str, needed_for: str) -> Any:
    """Import a library of the extra `tiff`.

    Raises:
        DataError: it is not installed; what to install.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DataError(f"{needed_for} needs {name}", hint='pip install "cgkit[tiff]"') from error
