"""Who watches a run: the plugins' hooks and the trackers. One that raises is set aside, and the run goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cgkit.contracts import Tracker
from cgkit.plugins import Plugins
from cgkit.registry import describe_exception


class Observers:
    """Passes on what happens in a run."""

    def __init__(self, plugins: Plugins, trackers: Mapping[str, Tracker], warn: Callable[[str], None]) -> None:
        self._manager = plugins.manager
        self._trackers = dict(trackers)
        self._warn = warn
        self._silenced: set[Any] = set()

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call one of the run hooks of every plugin that implements it."""
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        for plugin in [implementation.plugin for implementation in reversed(implementations)]:
            if plugin in self._silenced:
                continue
            others = [other for other in self._manager.get_plugins() if other is not plugin]
            try:
                self._manager.subset_hook_caller(hook, remove_plugins=others)(**arguments)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - an observer never stops a run
                self._silenced.add(plugin)
                name = self._manager.get_name(plugin)
                self._warn(f"plugin {name} failed in {hook} and is not called again: {describe_exception(error)}")

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Give every tracker the numbers of a step."""
        self._each("record", lambda tracker: tracker.record(step, values))

    def rewind(self, step: int) -> None:
        """Let every tracker forget what came after a step."""
        self._each("rewind", lambda tracker: tracker.rewind(step))

    def close(self) -> None:
        """Let every tracker write what it still holds."""
        self._each("close", lambda tracker: tracker.close())

    def _each(self, action: str, act: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                act(tracker)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a tracker never stops a run
                del self._trackers[name]
                self._warn(f"tracker {name} failed to {action} and is not used again: {describe_exception(error)}")
