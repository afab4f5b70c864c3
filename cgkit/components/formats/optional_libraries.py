"""Import libraries that only some image files need."""

from __future__ import annotations

import importlib
from typing import Any

from cgkit.errors import DataError


def library(name: str, needed_for: str, *, extra: str = "tiff") -> Any:
    """Import a library that belongs to optional dependencies.

    Args:
        name: The name of the library.
        needed_for: The kind of file that needs the library, for the message.
        extra: The optional dependencies, such as `cgkit[tiff]`.

    Raises:
        DataError: The library is not installed; the hint says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DataError(f"{needed_for} needs {name}", hint=f'pip install "cgkit[{extra}]"') from error
