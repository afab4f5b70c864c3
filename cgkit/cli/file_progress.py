"""Progress of reading and translating files on stderr: a bar in a terminal, otherwise a line every 20 seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Column

from cgkit.cli import console
from cgkit.display.durations import format_clock

INTERVAL = 20.0
"""Seconds between two lines if stderr is not a terminal."""


def count_progress(text: str) -> Callable[[int, int], None]:
    """Return a callback that prints a text with `{done}` and `{total}` every `INTERVAL` seconds and at the end."""
    last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last >= INTERVAL:
            last = time.monotonic()
            console.message(text.format(done=done, total=total))

    return report


class FileProgress:
    """Reports how many files are finished, how fast, the time left, and the current file.

    Args:
        terminal: where to draw the bar; by default stderr, if that is a terminal.
        interval: the shortest time between two lines, in seconds.
    """

    def __init__(self, terminal: Console | None = None, interval: float = INTERVAL) -> None:
        self._console = terminal or console.stderr()
        self._interval = interval
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._files = self._finished = self._translated = 0
        self._start = self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self, files: int) -> None:
        """Start measuring the time that this number of files takes."""
        self._files, self._start = files, time.monotonic()
        if self._console.is_terminal and files and not console.is_quiet():
            name = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, ratio=1))
            facts = TextColumn("{task.fields[facts]}", markup=False)
            columns = (BarColumn(bar_width=12), MofNCompleteColumn(separator=" of "), facts, name)
            self._bar = Progress(*columns, console=self._console, expand=True)
            self._task = self._bar.add_task("", total=files, facts="")
            self._bar.start()

    def finish(self, file: Path, *, translated: bool) -> None:
        """Count a finished file, which was translated or already there or could not be translated."""
        self._finished += 1
        self._translated += translated
        self._show(file.name)

    def share(self, file: Path, share: float) -> None:
        """Show the completed fraction of a file that takes long, such as a video."""
        self._show(f"{file.name} {share:.0%}")

    def _show(self, current: str) -> None:
        if self._bar is not None:
            self._bar.update(
                self._task, completed=self._finished, description=console.clean(current), facts=self._facts()
            )
        elif time.monotonic() - self._last >= self._interval:
            self._last = time.monotonic()
            console.message("  ".join(filter(None, [f"{self._finished} of {self._files}", self._facts(), current])))

    def _facts(self) -> str:
        """Return the speed and the time left; empty as long as they are unknown."""
        if not self._translated:
            return ""
        speed = self._translated / max(time.monotonic() - self._start, 1e-6)
        return f"{speed:.1f} images/s  {format_clock((self._files - self._finished) / speed)} left"
