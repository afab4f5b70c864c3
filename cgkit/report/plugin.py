"""The plugin that writes the report of a run: at its end however it ends, and now and then before."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from cgkit.hookspecs import hookimpl
from cgkit.plugins import Plugins
from cgkit.report.report import write_report

if TYPE_CHECKING:
    from cgkit.engine.run import Run

NAME = "cgkit:report"
FIRST_AFTER = 60.0
"""Seconds before the first report of a run that goes on."""
SHARE = 0.02
"""Of a run's time, which reports may take before its end."""


class ReportWriter:
    """Writes `report.html`; where that fails, the run is told and goes on, as with every plugin.

    Args:
        plugins: those of the run, which say what its metrics mean.
    """

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._next = time.monotonic() + FIRST_AFTER

    @hookimpl
    def cgkit_run_started(self, run: Run) -> None:
        """Begin to count the time."""
        self._next = time.monotonic() + FIRST_AFTER

    @hookimpl
    def cgkit_checkpoint_saved(self, run: Run, step: int, folder: Path) -> None:
        """Write how the run stands, where that takes no more than its share of the time."""
        begun = time.monotonic()
        if begun >= self._next:
            self._write(run)
            ended = time.monotonic()
            self._next = ended + (ended - begun) / SHARE

    @hookimpl(trylast=True)
    def cgkit_run_finished(self, run: Run, error: BaseException | None) -> None:
        """Write how the run ended, after what other plugins have to add to its folder."""
        self._write(run)

    def _write(self, run: Run) -> None:
        write_report(run.folder.path, plugins=self._plugins)


def with_report(plugins: Plugins) -> Plugins:
    """Let the plugins' runs have a report; return the plugins."""
    if not plugins.manager.has_plugin(NAME):
        plugins.manager.register(ReportWriter(plugins), name=NAME)
    return plugins
