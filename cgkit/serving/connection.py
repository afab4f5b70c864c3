"""Connections that end if their clients are too slow."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from cgkit.serving.limits import Limits

TICK = 1.0
"""Seconds between two looks at a connection."""


def connection_within(limits: Limits) -> type[H11Protocol]:
    """Return the class of connections whose clients must send the head of a request, and read its answer, in time."""

    class Connection(H11Protocol):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self._without_head = self._without_reading = 0.0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.loop.call_later(TICK, self._look)

        def _look(self) -> None:
            if self.transport.is_closing() and not self.transport.get_write_buffer_size():
                return  # data that nobody reads would keep a closed connection open
            # An idle connection is closed by the timer that uvicorn starts after an answer.
            is_answered = self.cycle is None or self.cycle.response_complete
            waits_for_head = is_answered and self.timeout_keep_alive_task is None
            self._without_head = self._without_head + TICK if waits_for_head else 0.0
            self._without_reading = self._without_reading + TICK if self.flow.write_paused else 0.0
            if self._without_head > limits.headers or self._without_reading > limits.transfer:
                self.transport.abort()
            else:
                self.loop.call_later(TICK, self._look)

    return Connection
