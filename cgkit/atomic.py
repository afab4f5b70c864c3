"""Replacing a file all or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what is written there takes its place when the block ends well.

    When the block raises, the temporary file goes and `path` stays as it was.
    """
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}"[:255])
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Write a text file all or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
