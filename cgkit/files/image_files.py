"""List the images in a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePath

from cgkit.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".jp2", ".gif", ".ppm", ".pgm")
"""Suffixes of pictures, in lower case."""

ARRAYS = (".npy", ".npz")
"""Suffixes of NumPy arrays, which count as images too."""

_suffixes: ContextVar[tuple[str, ...]] = ContextVar("suffixes", default=(*SUFFIXES, *ARRAYS))


@contextmanager
def listing(suffixes: Sequence[str]) -> Iterator[None]:
    """Let `list_images` find files with these suffixes during a `with` block.

    A source lists its files while it is built. It is built with its options alone, so the suffixes reach it this way.
    """
    token = _suffixes.set(tuple(suffixes))
    try:
        yield
    finally:
        _suffixes.reset(token)


def list_images(folder: Path, *, recursive: bool = True, without: Path | None = None) -> list[Path]:
    """Return the image files in a folder, sorted by relative path; see `survey_names` for the rest."""
    return [folder / name for name in survey_names(folder, recursive=recursive, without=without)[0]]


def survey_names(
    folder: Path, *, recursive: bool = True, without: Path | None = None
) -> tuple[list[str], Counter[str]]:
    """Return the paths of the image files relative to a folder, sorted, and how many other files it has, by suffix.

    Hidden files and folders are skipped. Links are followed, but a folder that can be reached by several paths is
    listed only once.

    Args:
        folder: The folder.
        recursive: Whether to include the files in its subfolders.
        without: A subfolder to leave out, with everything in it.

    Raises:
        DataError: The folder is missing, cannot be read, or contains no image.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} {'is not a folder' if folder.exists() else 'does not exist'}", hint=_advise(folder))
    names, others = divide(folder, recursive=recursive, without=without)
    if not names:
        count = f"its {others.total()} files" if others.total() > 1 else "its file"
        reason = f"none of {count} ends in {' '.join(_suffixes.get())}" if others else "it has no visible files"
        raise DataError(f"{folder} contains no images: {reason}")
    return names, others


def divide(folder: Path, *, recursive: bool = True, without: Path | None = None) -> tuple[list[str], Counter[str]]:
    """Return the image files and the other files as `survey_names` does, but no error if there are no images."""
    images: list[str] = []
    others: Counter[str] = Counter()
    suffixes = _suffixes.get()
    for prefix, names in _walk(folder, "", recursive, _identify(without)):
        found = [prefix + name for name in names if name.lower().endswith(suffixes)]
        images += found
        if len(found) < len(names):
            others.update(PurePath(name).suffix.lower() for name in names if not name.lower().endswith(suffixes))
    return sorted(images), others


def _advise(folder: Path) -> str | None:
    """Return what is probably wrong with the path of a folder that does not exist; None if nothing stands out."""
    text = str(folder)
    if any(not character.isprintable() for character in text) or "\\" in text:
        return r"in TOML, write paths with / or in single quotes: 'C:\images\trainA'"
    return None


def describe_kinds(counts: Mapping[str, int]) -> str:
    """Return numbers of files by suffix as text, the most frequent first: `4 .heic, 1 .txt, 1 without a suffix`."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in ordered)


def _identify(folder: Path | None) -> set[tuple[int, int]]:
    """Return what identifies a folder however it is reached, in a set; an empty set if there is no such folder."""
    if folder is None or not folder.is_dir():
        return set()
    status = folder.stat()
    return {(status.st_dev, status.st_ino)}


def _walk(folder: Path, prefix: str, recursive: bool, visited: set[tuple[int, int]]) -> Iterator[tuple[str, list[str]]]:
    """Yield the visible files of a folder and of those in it: what to put before their names, and the names."""
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in visited:
            return
        visited.add((status.st_dev, status.st_ino))
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error
    folders = {entry.name for entry in entries if _is_folder(entry)}
    yield prefix, [entry.name for entry in entries if entry.name not in folders]
    for name in sorted(folders) if recursive else ():
        yield from _walk(folder / name, f"{prefix}{name}/", recursive, visited)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circular link: treat it as a file, so that reading it reports the problem
        return False
