"""Write files and folders so that they survive a power failure."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from cgkit.files.atomic import sync, sync_folder


@dataclass(frozen=True)
class Content:
    """The size of a file in bytes and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


def read_content(path: Path) -> Content:
    """Return the size and hash of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return Content(file.tell(), digest.hexdigest())


def write_file(path: Path, content: bytes) -> Content:
    """Write a new file and wait until it is on disk; return its size and hash."""
    with path.open("xb") as file:
        file.write(content)
    return sync_file(path)


def sync_file(path: Path) -> Content:
    """Wait until a file is on disk; return its size and hash."""
    sync(path)
    return read_content(path)


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents, and wait until they are on disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with its contents; whatever cannot be removed from a folder remains."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
