"""Import libraries that only some image files need, and convert the errors of image libraries."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from cgkit.errors import DataError


@contextmanager
def damage_explained() -> Iterator[None]:
    """Turn an undocumented exception of an image library into a `ValueError`.

    Libraries do not document what they raise for damaged files. `DataError`, `OSError`, `MemoryError` and Pillow's
    `DecompressionBombError` pass through.
    """
    try:
        yield
    except (DataError, OSError, MemoryError, Image.DecompressionBombError):
        raise
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error


def library(name: str, needed_for: str) -> Any:
    """Import a library that belongs to the optional dependencies `cgkit[tiff]`.

    Args:
        name: The name of the library.
        needed_for: The kind of file that needs the library, for the message.

    Raises:
        DataError: The library is not installed; the hint says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DataError(f"{needed_for} needs {name}", hint='pip install "cgkit[tiff]"') from error
