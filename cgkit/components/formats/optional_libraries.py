"""Import libraries that only some image files need."""

from __future__ import annotations

import importlib
from typing import Any

from cgkit.errors import DataError


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
