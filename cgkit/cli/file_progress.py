"""Progress messages for files that take a long time to translate, such as videos and very large images."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cgkit.cli import console

INTERVAL = 20.0
"""The shortest time between two messages, in seconds."""


def file_progress() -> Callable[[Path, float], None]:
    """Return a `FileProgress` callback that prints the completed fraction of a file every `INTERVAL` seconds."""
    last = time.monotonic()

    def report(file: Path, share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= INTERVAL:
            last = time.monotonic()
            console.message(f"{file}: {share:.0%}")

    return report
