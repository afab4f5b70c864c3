"""Stop gracefully: after SIGTERM, SIGHUP or the first Ctrl-C, the run completes its step and saves its state."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


class StopRequest:
    """A context in which SIGTERM, SIGHUP and the first Ctrl-C only set `requested`; another Ctrl-C interrupts.

    Args:
        answer: called once, in another thread, as soon as a stop is requested.
    """

    def __init__(self, answer: Callable[[], object] = lambda: None) -> None:
        self.requested = False
        self._answer = answer
        self._requested_at = 0.0
        self._previous: dict[signal.Signals, Any] = {}

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
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.requested:
            self.requested = True
            self._requested_at = time.monotonic()
            # The interrupted code may hold the lock of the terminal, so this thread cannot print.
            threading.Thread(target=self._answer, daemon=True).start()
