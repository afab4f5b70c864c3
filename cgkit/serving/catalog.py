"""The runs below some folders, by an identifier; a client names a run only by this identifier, never by a path."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from cgkit.plugins import Plugins
from cgkit.report.listing import Listed, list_runs
from cgkit.serving.answers import RequestError

REFRESH = 2.0
"""Seconds for which a list of runs is kept."""
SHARE = 5
"""A list that takes long to make is kept for this multiple of the time it took."""


class Catalog:
    """The runs below some folders.

    Args:
        folders: run folders, and folders that contain them.
        plugins: the loaded plugins.

    Raises:
        UsageError: a folder does not exist.
    """

    def __init__(self, folders: Sequence[Path], plugins: Plugins) -> None:
        self._folders = tuple(folders)
        self._plugins = plugins
        self._lock = threading.Lock()
        self._until = 0.0
        self._runs: dict[str, Listed] = {}
        self.runs()

    def runs(self) -> dict[str, Listed]:
        """Return the runs by identifier, in order of their folders; at most a few seconds old."""
        with self._lock:
            started = time.monotonic()
            if started >= self._until:
                self._runs = _identify(
                    (listed, folder) for folder in self._folders for listed in list_runs(folder, self._plugins)
                )
                took = time.monotonic() - started
                self._until = started + took + max(REFRESH, SHARE * took)
            return self._runs

    def run(self, identifier: str) -> Listed:
        """Return the run with an identifier.

        Raises:
            RequestError: there is none.
        """
        if (listed := self.runs().get(identifier)) is None:
            raise RequestError(404, "there is no such run", "GET /api/runs lists all")
        return listed

    def forget(self) -> None:
        """Read the runs again when they are next asked for, because one was just changed."""
        self._until = 0.0


def _identify(found: Iterable[tuple[Listed, Path]]) -> dict[str, Listed]:
    """Return the runs by their paths below their folder, in characters that need no escaping in a URL."""
    runs = {listed.folder.resolve(): (listed, folder) for listed, folder in found}
    names = {path: _name(listed.folder, folder) for path, (listed, folder) in runs.items()}
    counts = Counter(names.values())
    return {
        name if counts[name] == 1 else f"{name}-{hashlib.sha256(bytes(path)).hexdigest()[:8]}": runs[path][0]
        for path, name in names.items()
    }


def _name(run: Path, folder: Path) -> str:
    below = run.relative_to(folder).as_posix()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", run.resolve().name if below == "." else below).strip("-.") or "run"
