"""A thread that makes calls for another one, which waits only so long."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread

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
