"""Finding the images in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cgkit.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
"""The suffixes of pictures, in lower case."""

ARRAYS = (".npy", ".npz")
"""The suffixes of arrays that NumPy saved, which are images in a folder of images."""


def list_images(folder: Path, *, recursive: bool = True) -> list[Path]:
    """Return a folder's image files, sorted by their names in it.

    Hidden files and folders are passed over; a link to a file counts, a loop of links is followed once.

    Raises:
        DataError: the folder is missing, cannot be read, or holds no image.
    """
    if not folder.is_dir():
        reason = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(f"{folder} {reason}")
    files = [file for file in _files(folder, recursive, set()) if not file.name.startswith(".")]
    images = [file for file in files if file.suffix.lower() in (*SUFFIXES, *ARRAYS)]
    if not images:
        found = f"{len(files)} files, none of them {' '.join(SUFFIXES)}" if files else "nothing"
        raise DataError(f"{folder} holds no images: there is {found} in it")
    return sorted(images, key=lambda file: file.relative_to(folder).as_posix())


def _files(folder: Path, recursive: bool, visited: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in visited:
            return
        visited.add((status.st_dev, status.st_ino))
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error
    for entry in entries:
        if not _is_folder(entry):
            yield folder / entry.name
        elif recursive and not entry.name.startswith("."):
            yield from _files(folder / entry.name, recursive, visited)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in a circle is a file that cannot be read
        return False
