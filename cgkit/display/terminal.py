"""A run on stderr: in a terminal a header and a progress bar, otherwise a line every 20 seconds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column

from cgkit.display import console
from cgkit.display.durations import format_clock, format_duration
from cgkit.errors import one_line

if TYPE_CHECKING:
    from rich.status import Status

    from cgkit.display.reporter import Progress

LINE_INTERVAL = 20.0
"""Seconds between two lines if stderr is not a terminal: long enough for a log to stay readable."""

ESTIMATE_AFTER = 20.0
"""Seconds of training after which its duration is estimated."""

BAR_FROM = 80
"""The width of a terminal, in characters, from which there is room for a bar."""

_SHORT_NAMES = {"adversarial": "adv", "identity": "idt", "discriminator": "disc", "penalty": "pen"}


class TerminalReporter:
    """Reports the progress and messages of a run on stderr, on rank 0 only.

    Args:
        tracebacks: whether warnings come with the traceback of their cause.
        quiet: whether to print only warnings.
    """

    def __init__(self, *, tracebacks: bool = False, quiet: bool = False) -> None:
        self._tracebacks = tracebacks
        self._console = console.stderr()
        self._warns = console.rank() == 0
        self._shows = self._warns and not quiet
        self._stage: Status | None = None
        self._subject = ""
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._last_line = 0.0
        self._first_call = 0.0
        self._has_estimated = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_stage()
        if self._bar is not None:
            self._bar.stop()

    def begin(self, title: str, facts: Mapping[str, str]) -> None:
        """Print a title, and facts in two columns."""
        self.message(title)
        width = max(map(len, facts), default=0)
        for label, fact in facts.items():
            self.message(f"  {label:{width}}  {fact}")

    def stage(self, text: str) -> None:
        """Show a spinner with a text; without a terminal, print a line for each new text before a colon."""
        subject, shown = text.partition(":")[0], f"{console.clean(text)} ..."
        changed, self._subject = subject != self._subject, subject
        if self._stage is not None and not changed:
            self._stage.update(shown)
            return
        self._end_stage()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if self._shows and self._console.is_terminal:
            self._stage = self._console.status(shown)
            self._stage.start()
        elif changed:
            self.message(f"{subject} ...")

    def progress(self, progress: Progress) -> None:
        """Update the progress bar, or print a line if the last line is old enough or the run is at its end."""
        if not self._shows:
            return
        self._end_stage()
        self._subject = ""
        self._estimate(progress)
        if self._console.is_terminal:
            self._move_bar(progress)
        elif time.monotonic() - self._last_line > LINE_INTERVAL or progress.step == progress.steps:
            self._last_line = time.monotonic()
            self.message("step " + "  ".join(filter(None, describe(progress))))

    def sheet(self, step: int, file: Path) -> None:
        """Print where the sheet of the first step is."""
        if step == 1:
            self.message(f"the first pictures, after one step, are in {file}")

    def message(self, text: str) -> None:
        """Print a message."""
        if self._shows:
            self._end_stage()
            self._print(console.clean(one_line(text)))

    def warning(self, text: str, traceback: str = "") -> None:
        """Print a warning."""
        if self._warns:
            self._end_stage()
            if self._tracebacks and traceback:
                self._console.print(console.clean(traceback), end="")
            self._print(f"warning: {console.clean(one_line(text))}", style="yellow")

    def _print(self, text: str, style: str | None = None) -> None:
        """Print a text. Commands and paths stay in one piece, so that they can be copied; other words stay whole."""
        soft_wrap = not self._console.is_terminal or "cgkit " in text
        self._console.print(text, style=style, soft_wrap=soft_wrap, overflow="ignore", crop=False)

    def _estimate(self, progress: Progress) -> None:
        """Print once how long training takes, as soon as some seconds of steps have been measured."""
        now = time.monotonic()
        self._first_call = self._first_call or now
        left = progress.seconds_left
        if not self._has_estimated and left is not None and now - self._first_call >= ESTIMATE_AFTER and left > 60:
            self._has_estimated = True
            end = datetime.now() + timedelta(seconds=left)
            self.message(f"training takes about {format_duration(left)} more, until {end:%a %H:%M}")

    def _end_stage(self) -> None:
        if self._stage is not None:
            self._stage.stop()
            self._stage = None

    def _move_bar(self, progress: Progress) -> None:
        done, losses = describe(progress)
        if self._bar is None:
            self._bar = Bar(*_columns(self._console.width), console=self._console, expand=True)
            self._task = self._bar.add_task(done, total=progress.steps, losses="")
            self._bar.start()
        self._bar.update(self._task, completed=progress.step, description=done, losses=losses)


def _columns(width: int) -> list[SpinnerColumn | BarColumn | TextColumn]:
    """Return the columns of a bar: what is done, and as much of the losses as fits."""
    done = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True))
    rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    losses = TextColumn("{task.fields[losses]}", markup=False, table_column=rest)
    bar = [BarColumn(bar_width=width // 10)] if width >= BAR_FROM else []
    return [SpinnerColumn("line"), *bar, done, losses]


def describe(progress: Progress) -> tuple[str, str]:
    """Return step, percentage, epoch, speed and time left; and the losses, summed over directions."""
    sums: dict[str, float] = {}
    for name, value in progress.losses.items():
        term = name.rpartition("_")[0] or name  # remove the direction or domain
        short = _SHORT_NAMES.get(term, term)
        sums[short] = sums.get(short, 0.0) + value
    done = [
        f"{progress.step}/{progress.steps}",
        f"{min(1, progress.step / progress.steps):.0%}",
        f"epoch {_format_epoch(progress.epoch)}/{_format_epoch(progress.epochs)}",
    ]
    if progress.seconds_left is not None:
        done += [_format_speed(progress.steps_per_second), f"{format_clock(progress.seconds_left)} left"]
    losses = [f"{name} {value:.3f}" for name, value in sums.items()]
    losses += [f"{progress.waiting:.0%} waiting for data"] if progress.waiting >= 0.1 else []
    return "  ".join(done), "  ".join(losses)


def _format_epoch(epoch: float) -> str:
    if epoch >= 10 or epoch == round(epoch):
        return f"{epoch:.0f}"
    return f"{epoch:.1f}" if epoch >= 0.1 else f"{epoch:.1g}"


def _format_speed(steps_per_second: float) -> str:
    return f"{steps_per_second:.1f} it/s" if steps_per_second >= 1 else f"{1 / steps_per_second:.1f} s/it"
