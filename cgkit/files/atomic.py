"""Replace files atomically: a file has either its old or its complete new content."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32


@contextmanager
def replacing(path: Path, suffix: str = "") -> Iterator[Path]:
    """Yield a temporary path next to `path`; after the `with` block, the file written there replaces `path`.

    If the block raises an exception, the temporary file is removed and `path` is unchanged.

    Args:
        path: the file to write.
        suffix: the suffix of the temporary path.
    """
    # Use a checksum of the name, since the name itself may already be as long as the file system allows.
    temporary = path.with_name(f".tmp-{os.getpid()}-{crc32(os.fsencode(path.name)):08x}{suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a new, empty temporary folder next to `path`; after the `with` block, it replaces `path`.

    If the block raises an exception, the temporary folder is removed and `path` is unchanged.
    """
    with TemporaryDirectory(prefix=".tmp-", dir=path.parent) as made:
        temporary, earlier = Path(made) / "new", Path(made) / "earlier"
        temporary.mkdir()
        yield temporary
        if path.is_dir():
            path.replace(earlier)
        temporary.replace(path)


def replace_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, all or nothing; an existing file is replaced."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
