"""Progress messages for what takes a long time: translating a video or a very large image, reading many images."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cgkit.cli import console

INTERVAL = 20.0
"""The shortest time between two messages, in seconds."""


def count_progress(text: str) -> Callable[[int, int], None]:
    """Return a callback that prints a text with `{done}` and `{total}` every `INTERVAL` seconds and at the end."""
    last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last >= INTERVAL:
            last = time.monotonic()
            console.message(text.format(done=done, total=total))

    return report


def file_progress() -> Callable[[Path, float], None]:
    """Return a `FileProgress` callback that prints the completed fraction of a file every `INTERVAL` seconds."""
    last = time.monotonic()

    def report(file: Path, share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= INTERVAL:
            last = time.monotonic()
            console.message(f"{file}: {share:.0%}")

    return report
