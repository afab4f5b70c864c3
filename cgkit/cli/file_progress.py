"""Progress of a single file that takes long, such as a video or a very large image."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cgkit.cli import console

INTERVAL = 20.0
"""Seconds between lines; files that take less print nothing."""


def file_progress() -> Callable[[Path, float], None]:
    """Return a callback `(file, share)` that prints the finished share of a file every `INTERVAL` seconds."""
    last = time.monotonic()

    def report(file: Path, share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= INTERVAL:
            last = time.monotonic()
            console.message(f"{file}: {share:.0%}")

    return report
