"""The plugin that writes the report of a run, with its sample sheets during training and once at the end."""

from __future__ import annotations

import time
from pathlib import Path
from weakref import WeakKeyDictionary

from cgkit.hookspecs import RunView, hookimpl

SHARE = 0.02
"""The maximum fraction of the training time that intermediate reports may take."""


class ReportWriter:
    """Writes `report.html`. Like any plugin, this one is disabled with a warning if it fails."""

    def __init__(self) -> None:
        self._next: WeakKeyDictionary[RunView, float] = WeakKeyDictionary()

    @hookimpl
    def cgkit_run_started(self, run: RunView) -> None:
        """Let the first sheet have a report."""
        self._next[run] = time.monotonic()

    @hookimpl
    def cgkit_samples_written(self, run: RunView, step: int, file: Path) -> None:
        """Write an intermediate report, unless reports would take up too much training time (see `SHARE`)."""
        started = time.monotonic()
        if started >= self._next.get(run, started):
            self._write(run)
            ended = time.monotonic()
            self._next[run] = ended + (ended - started) / SHARE

    @hookimpl(trylast=True)
    def cgkit_run_finished(self, run: RunView, error: BaseException | None) -> None:
        """Write the final report, after all other plugins have written to the run folder."""
        self._write(run)

    def _write(self, run: RunView) -> None:
        from cgkit.report.report import write_report  # imported only when needed, to keep start-up fast

        write_report(run.folder.path, plugins=run.plugins)


report_writer = ReportWriter()
"""The plugin object to which the package's entry point refers."""
