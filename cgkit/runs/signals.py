"""Stop gracefully: after SIGTERM, SIGHUP, the first Ctrl-C or a request, the run completes its step and saves."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

INTERVAL = 1.0
"""Seconds between two questions whether another process asks for a stop."""


class StopRequest:
    """A context in which SIGTERM, SIGHUP and the first Ctrl-C only set `requested`; another Ctrl-C interrupts.

    A handler that the program around had set is called too, because the run may end by itself before it stops.

    Args:
        answer: called once, in another thread, as soon as a stop is requested.
        is_asked: returns whether another process asks for a stop.
    """

    def __init__(
        self, answer: Callable[[], object] = lambda: None, is_asked: Callable[[], bool] = lambda: False
    ) -> None:
        self._requested = False
        self._answer = answer
        self._is_asked = is_asked
        self._asked_at = 0.0
        self._requested_at = 0.0
        self._previous: dict[signal.Signals, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether a stop was requested."""
        if not self._requested and time.monotonic() - self._asked_at >= INTERVAL:
            self._asked_at = time.monotonic()
            if self._is_asked():
                self._request()
        return self._requested

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # the only thread that may set signal handlers
            names = [name for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]
            for wanted in (signal.Signals[name] for name in names):
                self._previous[wanted] = signal.signal(wanted, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def requested_for(self, seconds: float) -> bool:
        """Return whether a stop was requested at least `seconds` ago."""
        return self.requested and time.monotonic() - self._requested_at >= seconds

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self._requested:
            self._request()
        previous = self._previous.get(signal.Signals(number))
        if callable(previous) and previous is not signal.default_int_handler:
            previous(number, frame)

    def _request(self) -> None:
        self._requested = True
        self._requested_at = time.monotonic()
        # Interrupted code may hold the lock of the terminal, so this thread cannot print.
        threading.Thread(target=self._answer, daemon=True).start()
