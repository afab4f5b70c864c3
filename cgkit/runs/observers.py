"""Who watches a run: the plugins' hooks and the trackers. One that raises or stalls is set aside; the run goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from cgkit.contracts import Tracker
from cgkit.plugins import Plugins
from cgkit.registry import describe_exception
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread





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

GOODBYE = 10.0
"""Seconds that a thread may take to end."""


class StalledError(Exception):
    """A call did not return in time. It may still be running."""


class Attendant:
    """Makes one call after the other in a thread of its own, which no program waits for at its end."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], object], Future[None]] | None] = SimpleQueue()
        self._thread = Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()
        self._stalled = False

    def call(self, function: Callable[[], object], patience: float) -> None:
        """Make a call and wait for it.

        Args:
            function: what is called.
            patience: how many seconds to wait.

        Raises:
            StalledError: it did not return in time.
            BaseException: whatever the function raised.
        """
        done: Future[None] = Future()
        self._calls.put((function, done))
        try:
            done.result(patience)
        except TimeoutError:
            if done.done():  # it was the function that raised it
                raise
            self._stalled = True
            raise StalledError(f"did not return within {patience:g} seconds") from None

    def dismiss(self) -> None:
        """Let the thread end when its calls are done; wait for it, unless it stalled."""
        self._calls.put(None)
        if not self._stalled:
            self._thread.join(GOODBYE)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            function, done = call
            try:
                function()
            except BaseException as error:  # noqa: BLE001 - handed to who waits for it
                done.set_exception(error)
            else:
                done.set_result(None)
            # What a call held on to (a run, its tensors) must not be freed here while the program ends.
            del call, function, done






