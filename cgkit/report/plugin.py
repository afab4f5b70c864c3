"""The plugin that writes the report of a run: now and then while it trains, and once at its end."""

from __future__ import annotations

import time
from pathlib import Path
from weakref import WeakKeyDictionary

from cgkit.contracts import RunView
from cgkit.hookspecs import hookimpl

FIRST_AFTER = 60.0
"""Seconds before the first report of a run that is still training."""
SHARE = 0.02
"""The share of a run's time that reports may take before its end."""


class ReportWriter:
    """Writes `report.html`. Like any plugin, it is set aside with a warning if it fails."""

    def __init__(self) -> None:
        self._next: WeakKeyDictionary[RunView, float] = WeakKeyDictionary()

    @hookimpl
    def cgkit_run_started(self, run: RunView) -> None:
        """Start the clock."""
        self._next[run] = time.monotonic() + FIRST_AFTER

    @hookimpl
    def cgkit_checkpoint_saved(self, run: RunView, step: int, folder: Path) -> None:
        """Write the report of an unfinished run, unless that would take more than its share of the time."""
        begun = time.monotonic()
        if begun >= self._next.get(run, begun):
            self._write(run)
            ended = time.monotonic()
            self._next[run] = ended + (ended - begun) / SHARE

    @hookimpl(trylast=True)
    def cgkit_run_finished(self, run: RunView, error: BaseException | None) -> None:
        """Write the final report, after other plugins have added to the run folder."""
        self._write(run)

    def _write(self, run: RunView) -> None:
        from cgkit.report.report import write_report  # imported here so that loading the plugin costs nothing

        write_report(run.folder.path, plugins=run.plugins)


report_writer = ReportWriter()
"""What the entry point names."""
