"""The observers of a run: plugin hooks, trackers and watchers. If one fails, it is disabled, and the run continues."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Literal, Protocol

from cgkit.abilities import tracker_method
from cgkit.contracts import Tracker
from cgkit.data.loading import Batch
from cgkit.errors import traceback_of
from cgkit.hookspecs import RunView
from cgkit.plugins import Plugins
from cgkit.registry import describe_exception
from cgkit.runs.samples.images import SampleImages

JOIN_TIMEOUT = 10.0
"""The maximum time to wait for an observer's thread to end, in seconds."""


class Watcher(Protocol):
    """Observes training in the run's own thread. The state of a watcher is part of every checkpoint."""

    name: str

    def begin(self) -> None:
        """Observe the start of a new run."""

    def step_finished(self, batches: Sequence[Batch]) -> None:
        """Observe the images of a step."""

    def samples_drawn(self, images: SampleImages) -> None:
        """Observe the images of a sample sheet."""

    def rewind(self, step: int) -> None:
        """Discard everything observed after a step."""

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, as JSON values."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore the state from a checkpoint."""


class Observers:
    """Notifies observers of the events of a run.

    Each plugin and tracker is called in its own thread while the run waits, so that the run does not change during the
    call. An observer that does not return delays the run once, by `patience`, and is then disabled.

    Args:
        plugins: the loaded plugins, whose run hooks are called.
        trackers: the trackers, by name.
        watchers: the watchers.
        warn: called with a message and the traceback of its cause for each observer that is disabled.
        patience: the maximum duration of a call, in seconds.
    """

    def __init__(
        self,
        plugins: Plugins,
        trackers: Mapping[str, Tracker],
        watchers: Sequence[Watcher],
        warn: Callable[[str, str], None],
        *,
        patience: float,
    ) -> None:
        self._plugins = plugins
        self._trackers = dict(trackers)
        self._watchers = watchers
        self._warn = warn
        self._patience = patience
        self._started = False
        self._threads: dict[str, ObserverThread] = {}
        self._set_aside: set[str] = set()

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call a run hook of every plugin that implements it."""
        for name, caller in self._plugins.implementations(hook):
            self._call_in_thread(f"plugin {name}", hook, partial(caller, **arguments))

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Pass the values recorded after a step to every tracker."""
        self._call_trackers("record", lambda tracker: tracker.record(step, values))

    def begin(self, run: RunView) -> None:
        """Start a new run: watchers and trackers discard everything recorded before."""
        self._call_watchers("begin", lambda watcher: watcher.begin())
        self._start(run)
        self._call_trackers("rewind", lambda tracker: tracker.rewind(0))

    def restore(self, states: Mapping[str, Any]) -> None:
        """Restore the state of the watchers of a run that is resumed, by name."""
        for watcher in self._watchers:
            if states.get(watcher.name) is not None:
                watcher.load(states[watcher.name])

    def resume(self, run: RunView) -> None:
        """Resume a run: watchers and trackers discard everything after the run's step."""
        step = run.step
        self._call_watchers("rewind", lambda watcher: watcher.rewind(step))
        self._start(run)
        self._call_trackers("rewind", lambda tracker: tracker.rewind(step))

    def step_finished(self, batches: Sequence[Batch]) -> None:
        """Pass the images of a step to the watchers."""
        self._call_watchers("step_finished", lambda watcher: watcher.step_finished(batches))

    def samples_drawn(self, images: SampleImages) -> None:
        """Pass the images of a sample sheet to the watchers."""
        self._call_watchers("samples_drawn", lambda watcher: watcher.samples_drawn(images))

    def samples_written(self, run: RunView, step: int, file: Path) -> None:
        """Pass a sample sheet to every tracker and every hook that wants it."""
        self._call_optional("samples", step, file)
        self.notify("cgkit_samples_written", run=run, step=step, file=file)

    def checkpoint_saved(self, run: RunView, step: int, folder: Path) -> None:
        """Pass a checkpoint to every tracker and every hook that wants it."""
        self._call_optional("checkpoint", step, folder)
        self.notify("cgkit_checkpoint_saved", run=run, step=step, folder=folder)

    def finish(self, run: RunView, error: BaseException | None) -> None:
        """Pass the end of the run to every started tracker and every hook that wants it."""
        if self._started:
            self._call_optional("finish", error)
        self.notify("cgkit_run_finished", run=run, error=error)

    def state(self) -> dict[str, Any]:
        """Return the state of all watchers, as JSON values."""
        return {watcher.name: watcher.state() for watcher in self._watchers}

    def close(self) -> None:
        """Close every tracker, so that it writes its buffered values, and end the observers' threads."""
        self._call_trackers("close", lambda tracker: tracker.close())
        for thread in self._threads.values():
            thread.close()

    def _start(self, run: RunView) -> None:
        self._started = True
        self._call_optional("start", run)

    def _call_optional(self, name: Literal["start", "samples", "checkpoint", "finish"], *arguments: object) -> None:
        for who, tracker in self._trackers.items():
            if (method := tracker_method(tracker, name)) is not None:
                self._call_in_thread(f"tracker {who}", name, partial(method, *arguments))

    def _call_trackers(self, action: str, act: Callable[[Tracker], None]) -> None:
        for name, tracker in self._trackers.items():
            self._call_in_thread(f"tracker {name}", action, partial(act, tracker))

    def _call_watchers(self, action: str, act: Callable[[Watcher], None]) -> None:
        for watcher in self._watchers:
            self._call(watcher.name, action, partial(act, watcher))

    def _call_in_thread(self, who: str, action: str, function: Callable[[], object]) -> None:
        if who not in self._threads and who not in self._set_aside:
            self._threads[who] = ObserverThread(who)
        self._call(who, action, lambda: self._threads[who].call(function, self._patience))

    def _call(self, who: str, action: str, function: Callable[[], object]) -> None:
        if who in self._set_aside:
            return
        try:
            function()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - an observer never stops a run
            self._set_aside.add(who)
            if isinstance(error, StalledError):
                reason, cause = str(error), ""
            else:
                reason, cause = f"failed: {describe_exception(error)}", traceback_of(error)
            self._warn(f"{who}, in {action}, {reason}; it is not called again", cause)


class StalledError(Exception):
    """Raised if a call did not return in time. The call may still be running."""


class ObserverThread:
    """Calls functions one after the other in a daemon thread."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], object], Future[None]] | None] = SimpleQueue()
        self._thread = Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()
        self._stalled = False

    def call(self, function: Callable[[], object], patience: float) -> None:
        """Call a function in the thread and wait for it.

        Args:
            function: the function to call.
            patience: the maximum time to wait, in seconds.

        Raises:
            StalledError: the function did not return in time.
            BaseException: any exception that the function raised.
        """
        done: Future[None] = Future()
        self._calls.put((function, done))
        try:
            done.result(patience)
        except TimeoutError:
            if done.done():  # the function itself raised this error
                raise
            self._stalled = True
            raise StalledError(f"did not return within {patience:g} seconds") from None

    def close(self) -> None:
        """Let the thread end after its last call, and wait for it unless it has stalled."""
        self._calls.put(None)
        if not self._stalled:
            self._thread.join(JOIN_TIMEOUT)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            function, done = call
            try:
                function()
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                done.set_exception(error)
            else:
                done.set_result(None)
            # Release the objects of the call, such as a run with its tensors, so that this daemon thread does not have
            # to free them while the interpreter shuts down.
            del call, function, done
