"""The interface through which a run shows progress, messages and warnings to its user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """The progress of a run.

    Attributes:
        step: the number of completed steps.
        steps: the number of steps of the whole run.
        epoch: the number of completed epochs, with a fraction.
        epochs: the number of epochs of the whole run, with a fraction.
        steps_per_second: the speed of training; 0 if unknown.
        images_per_second: training images of both domains per second of training in this process; 0 if unknown.
        seconds_left: the estimated remaining training time at the current speed; None if unknown.
        waiting: the fraction of the time spent waiting for images, from 0 to 1.
        losses: the last recorded loss terms; empty before the first record.
    """

    step: int
    steps: int
    epoch: float
    epochs: float
    steps_per_second: float = 0.0
    images_per_second: float = 0.0
    seconds_left: float | None = None
    waiting: float = 0.0
    losses: Mapping[str, float] = field(default_factory=dict)


class Reporter(Protocol):
    """Shows a run to its user."""

    def begin(self, title: str, facts: Mapping[str, str]) -> None:
        """Show what will be trained: a title, and facts by label."""

    def stage(self, text: str) -> None:
        """Show that something begins that may take seconds; it has ended when any other method is called.

        What follows a colon changes while it is done: "scoring test images: a2b, 24 of 200".
        """

    def progress(self, progress: Progress) -> None:
        """Show the progress; called before the first step and after each step."""

    def sheet(self, step: int, file: Path) -> None:
        """Show a sheet of sample translations, a PNG file."""

    def message(self, text: str) -> None:
        """Print a message."""

    def warning(self, text: str, traceback: str = "") -> None:
        """Print a warning; the run continues. A plugin's exception that caused it is given by its traceback."""


class Silence:
    """A reporter that shows nothing."""

    def begin(self, title: str, facts: Mapping[str, str]) -> None:
        """Show nothing."""

    def stage(self, text: str) -> None:
        """Show nothing."""

    def progress(self, progress: Progress) -> None:
        """Show nothing."""

    def sheet(self, step: int, file: Path) -> None:
        """Show nothing."""

    def message(self, text: str) -> None:
        """Print nothing."""

    def warning(self, text: str, traceback: str = "") -> None:
        """Print nothing."""
