"""Write a file that the user has named."""

from __future__ import annotations

from pathlib import Path

from cgkit.errors import ResourceError, UsageError
from cgkit.files.atomic import replace_text


def refuse_folder(file: Path) -> None:
    """Raise a `UsageError` if there is a folder where a file is to be written."""
    if file.is_dir():
        raise UsageError(f"{file} is a folder", hint="name a file to write")


def write_output(file: Path, text: str) -> None:
    """Write a text file, all or nothing, and its missing folders; an existing file is replaced.

    Raises:
        UsageError: there is a folder in its place.
        ResourceError: it cannot be written.
    """
    refuse_folder(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_text(file, text)
    except OSError as error:
        raise ResourceError(f"{file} cannot be written: {error.strerror or error}") from error
