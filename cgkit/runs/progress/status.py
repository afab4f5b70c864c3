"""The file `status.json`, in which a run says how it is, for `cgkit watch` and other programs."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from cgkit.display.reporter import Progress, Reporter
from cgkit.runs.folder import RunFolder

INTERVAL = 2.0
"""Seconds between two writings while the run trains."""


class Status:
    """Writes the status of a run. If that fails, the run continues with a warning.

    Args:
        folder: the run folder.
        reporter: receives the warning.
        enabled: whether to write anything; only the first of several ranks does.
    """

    def __init__(self, folder: RunFolder, reporter: Reporter, *, enabled: bool) -> None:
        self._folder = folder
        self._reporter = reporter
        self._enabled = enabled
        self._written = -INTERVAL
        self._has_failed = False

    def trains(self, progress: Progress, saved_step: int) -> None:
        """Write that the run trains, unless that was written within the last `INTERVAL`.

        Args:
            progress: the progress of the run.
            saved_step: the step of the newest checkpoint, from which a killed run continues.
        """
        if time.monotonic() - self._written >= INTERVAL:
            self._write(progress, state="running", exit_code=0, saved_step=saved_step)

    def ended(self, progress: Progress, state: str, saved_step: int, exit_code: int = 0, **more: Any) -> None:
        """Write how the run ended."""
        self._write(progress, state=state, exit_code=exit_code, saved_step=saved_step, **more)

    def _write(self, progress: Progress, **values: Any) -> None:
        if not self._enabled or not self._folder.is_in_place:  # a run whose folder was removed says so itself
            return
        self._written = time.monotonic()
        try:
            self._folder.write_status(**values, **asdict(progress))
        except OSError as error:
            if not self._has_failed:
                self._reporter.warning(f"status.json cannot be written: {error}")
            self._has_failed = True
