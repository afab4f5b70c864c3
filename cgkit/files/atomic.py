"""Replace files atomically: a file has either its old or its complete new content, also after a power failure."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.EPERM)
"""What file systems say that cannot sync, or of folders in which this user may write but not read."""


@contextmanager
def replacing(path: Path, suffix: str = "") -> Iterator[Path]:
    """Yield a temporary path next to `path`; after the `with` block, the file written there replaces `path`, durably.

    If the block raises an exception, the temporary file is removed and `path` is unchanged.

    Args:
        path: the file to write.
        suffix: the suffix of the temporary path.
    """
    # Use a checksum of the name, since the name itself may already be as long as the file system allows.
    temporary = path.with_name(f".tmp-{os.getpid()}-{crc32(os.fsencode(path.name)):08x}{suffix}")
    try:
        yield temporary
        sync(temporary)  # or else a power failure could leave an empty file under the final name
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a new, empty temporary folder next to `path`; after the `with` block, it replaces `path`, durably.

    If the block raises an exception, the temporary folder is removed and `path` is unchanged.
    """
    with TemporaryDirectory(prefix=".tmp-", dir=path.parent) as made:
        temporary, earlier = Path(made) / "new", Path(made) / "earlier"
        temporary.mkdir()
        yield temporary
        for folder, _, files in os.walk(temporary, topdown=False):
            for name in files:
                sync(Path(folder, name))
            sync_folder(Path(folder))
        if path.is_dir():
            path.replace(earlier)
        temporary.replace(path)
        sync_folder(path.parent)


def replace_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, all or nothing; an existing file is replaced."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sync(path: Path) -> None:
    """Wait until the content of a file is on disk."""
    with path.open("r+b") as file, _syncing():  # Windows syncs only files that are open for writing
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until everything created, renamed or removed in a folder is on disk."""
    if sys.platform == "win32":  # Windows cannot open folders, and they need no sync there
        return
    with _syncing():
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _syncing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
