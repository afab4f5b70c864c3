"""Progress of a run on stderr: a progress bar in a terminal, otherwise a line every 20 seconds."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from cgkit.cli import console

if TYPE_CHECKING:
    from cgkit.runs.reporter import Progress

LINE_INTERVAL = 20.0
"""Seconds between two lines if stderr is not a terminal: long enough for a log to stay readable."""

_SHORT_NAMES = {"adversarial": "adv", "cycle": "cycle", "identity": "idt", "discriminator": "disc", "penalty": "pen"}


class RichReporter:
    """Reports the progress and messages of a run on stderr."""

    def __init__(self) -> None:
        self._console = console.stderr()
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._last_line = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def progress(self, progress: Progress) -> None:
        """Update the progress bar, or print a line if the last line is old enough or the run is finished."""
        if console.rank():
            return
        if self._console.is_terminal:
            self._move_bar(progress)
        elif time.monotonic() - self._last_line > LINE_INTERVAL or progress.step == progress.steps:
            self._last_line = time.monotonic()
            console.message(f"step {progress.step}/{progress.steps}  {describe(progress)}")

    def message(self, text: str) -> None:
        """Print a message."""
        if console.rank() == 0:
            self._console.print(console.clean(text))

    def warning(self, text: str, traceback: str = "") -> None:
        """Print a warning; the traceback of its cause only if the user asks for tracebacks."""
        if console.rank() == 0:
            if traceback and console.shows_tracebacks():
                self._console.print(console.clean(traceback), end="")
            self._console.print(f"warning: {console.clean(text)}", style="yellow")

    def _move_bar(self, progress: Progress) -> None:
        if self._bar is None:
            columns = (BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
            self._bar = Bar(*columns, console=self._console)
            self._task = self._bar.add_task("", total=progress.steps)
            self._bar.start()
        self._bar.update(self._task, completed=progress.step, description=describe(progress))


def describe(progress: Progress) -> str:
    """Return one line: losses (summed over directions), speed, time left, and fraction of time waiting for data."""
    sums: dict[str, float] = {}
    for name, value in progress.losses.items():
        term = name.rpartition("_")[0] or name  # remove the direction or domain
        short = _SHORT_NAMES.get(term, term)
        sums[short] = sums.get(short, 0.0) + value
    losses = " ".join(f"{name} {value:.3f}" for name, value in sums.items())
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    hours, minutes = divmod(minutes, 60)
    left = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
    return f"{losses}  {progress.images_per_second:.1f} images/s  {left} left  {progress.waiting:.0%} waiting for data"
