"""Replacing a file all or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what is written there takes its place when the block ends well.

    When the block raises, the temporary file goes and `path` stays as it was.
    """
    # No part of the name but its checksum, because names may be as long as the file system allows.
    temporary = path.with_name(f".tmp-{os.getpid()}-{crc32(os.fsencode(path.name)):08x}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Write a text file all or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
