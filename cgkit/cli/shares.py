"""Telling how far one file is that takes long."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cgkit.cli import console

INTERVAL = 20.0
"""Seconds between lines: what takes less is not told."""


def shares() -> Callable[[Path, float], None]:
    """Return a function that is told the share of a file that is done, and prints a line now and then."""
    last = time.monotonic()

    def tell(file: Path, share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= INTERVAL:
            last = time.monotonic()
            console.message(f"{file}: {share:.0%}")

    return tell
