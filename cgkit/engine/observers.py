"""Who watches a run: the plugins' hooks and the trackers. One that raises or stalls is set aside; the run goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from cgkit.contracts import Tracker
from cgkit.engine.attendant import Attendant, StalledError
from cgkit.plugins import Plugins
from cgkit.registry import describe_exception


class Observers:
    """Passes on what happens in a run.

    Each observer is called in a thread of its own, while the run waits: so it sees a run that stands still, and one
    that never returns costs the run no more than its patience, once.

    Args:
        plugins: whose hooks are called.
        trackers: by name.
        warn: told of each observer that is set aside.
        patience: how many seconds an observer may take.
    """

    def __init__(
        self, plugins: Plugins, trackers: Mapping[str, Tracker], warn: Callable[[str], None], *, patience: float
    ) -> None:
        self._plugins = plugins
        self._trackers = dict(trackers)
        self._warn = warn
        self._patience = patience
        self._attendants: dict[str, Attendant] = {}
        self._set_aside: set[str] = set()

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call one of the run hooks of every plugin that implements it."""
        for name, caller in self._plugins.implementations(hook):
            self._call(f"plugin {name}", hook, partial(caller, **arguments))

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Give every tracker the numbers of a step."""
        self._each("record", lambda tracker: tracker.record(step, values))

    def rewind(self, step: int) -> None:
        """Let every tracker forget what came after a step."""
        self._each("rewind", lambda tracker: tracker.rewind(step))

    def close(self) -> None:
        """Let every tracker write what it still holds."""
        self._each("close", lambda tracker: tracker.close())
        for attendant in self._attendants.values():
            attendant.dismiss()

    def _each(self, action: str, act: Callable[[Tracker], None]) -> None:
        for name, tracker in self._trackers.items():
            self._call(f"tracker {name}", action, partial(act, tracker))

    def _call(self, who: str, what: str, function: Callable[[], object]) -> None:
        if who in self._set_aside:
            return
        if who not in self._attendants:
            self._attendants[who] = Attendant(who)
        try:
            self._attendants[who].call(function, self._patience)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - an observer never stops a run
            self._set_aside.add(who)
            stalled = isinstance(error, StalledError)
            reason = str(error) if stalled else f"failed: {describe_exception(error)}"
            self._warn(f"{who}, in {what}, {reason}; it is not called again")
