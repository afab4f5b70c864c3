"""The processes that translate, one for each device, and the bounded queue before them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cgkit.serving.answers import RequestError
from cgkit.serving.limits import Limits

LINE = 2**20
"""The most bytes of a reply."""
RETRY = "5"
"""After how many seconds a client should ask again."""


class Workers:
    """Translates images, one at a time on each device, in the order of the requests.

    Args:
        devices: the devices; None for the default.
        arguments: more arguments of each process, which say what plugins it loads.
        limits: the limits of the server.
    """

    def __init__(self, devices: Sequence[str | None], arguments: Sequence[str], limits: Limits) -> None:
        self._limits = limits
        self._workers = [_Worker(device, arguments) for device in devices]
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_abandoned = False
        self.taken = 0
        """How many translations were accepted and are not finished."""

    async def start(self) -> None:
        """Start the processes, so that the first client need not wait for torch."""
        self._loop = asyncio.get_running_loop()
        for worker in self._workers:
            await worker.start()
            self._idle.put_nowait(worker)

    async def stop(self) -> None:
        """End the processes."""
        for worker in self._workers:
            await worker.stop()

    def abandon(self) -> None:
        """End the processes at once, so that accepted translations fail with 503; a signal handler may call this."""
        self._is_abandoned = True
        if self._loop is not None:
            for worker in self._workers:
                self._loop.call_soon_threadsafe(worker.kill)

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Take a place in the queue.

        Raises:
            RequestError: there is none.
        """
        if self.taken >= self._limits.queue:
            hint = f"ask again in {RETRY} seconds"
            raise RequestError(429, f"{self.taken} translations are waiting", hint, {"retry-after": RETRY})
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    async def translate(self, request: Mapping[str, Any], has_left: Callable[[], Awaitable[bool]]) -> dict[str, Any]:
        """Wait for a worker, and translate; return its reply (see `cgkit.serving.worker`).

        Args:
            request: what to translate, and how.
            has_left: returns whether nobody waits for the translation any more, so that it need not begin.

        Raises:
            RequestError: the translation takes too long, the worker ended, or it refuses the image.
        """
        worker = await self._idle.get()
        try:
            if self._is_abandoned:
                raise RequestError(503, "the server was stopped")
            if await has_left():
                raise RequestError(499, "the client has left")
            reply = await worker.ask(request, self._limits.seconds)
        except TimeoutError:
            await worker.stop()
            message = f"the translation took more than {self._limits.seconds:g} seconds"
            raise RequestError(504, message, "send a smaller image, or start with a longer --time-limit") from None
        except RequestError as error:
            if self._is_abandoned:
                raise RequestError(503, "the server was stopped") from error
            raise
        except BaseException:
            await worker.stop()  # its reply would be taken for that to the next request
            raise
        finally:
            self._idle.put_nowait(worker)
        return _check(reply, {request["source"]: request["name"], request["folder"]: request["run"]})


def _check(reply: Mapping[str, Any], shown: Mapping[str, str]) -> dict[str, Any]:
    """Return a reply in the words of the client, or raise its error."""
    if "error" in reply:
        raise RequestError(reply["status"], _rename(reply["error"], shown), _rename(reply["hint"], shown))
    return {**reply, "remarks": [_rename(remark, shown) for remark in reply["remarks"]]}


def _rename(text: str, shown: Mapping[str, str]) -> str:
    """Return a text with the names by which the client knows what has a path here."""
    for path, name in shown.items():
        text = text.replace(path, name)
    return text


class _Worker:
    """A process that is started again if it has ended."""

    def __init__(self, device: str | None, arguments: Sequence[str]) -> None:
        chosen = ["--device", device] if device is not None else []
        self._command = [sys.executable, "-m", "cgkit.serving.worker", *chosen, *arguments]
        self._process: asyncio.subprocess.Process | None = None
        self._is_ready = False

    async def start(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._is_ready, pipe = False, asyncio.subprocess.PIPE
            # Ctrl-C in the terminal is for the server, which lets its workers finish.
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=pipe, stdout=pipe, limit=LINE, start_new_session=True
            )
        return self._process

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def stop(self) -> None:
        self.kill()
        if self._process is not None:
            await self._process.wait()
        self._process = None

    async def ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Return the reply to a request; starting the process does not count."""
        process = await self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        if not self._is_ready:
            self._is_ready = bool(await process.stdout.readline())
        async with asyncio.timeout(seconds):
            with contextlib.suppress(ConnectionError):
                process.stdin.write(json.dumps(dict(request)).encode() + b"\n")
                await process.stdin.drain()
            if line := await process.stdout.readline():
                reply: dict[str, Any] = json.loads(line)
                return reply
        await self.stop()
        raise RequestError(500, "the process that translates ended", "what it said is in the terminal of cgkit serve")


def plugin_arguments(files: Sequence[Path], *, installed: bool) -> list[str]:
    """Return the arguments of a worker that make it load the same plugins as this process."""
    named = [word for file in files for word in ("--plugin", str(file))]
    return named if installed else [*named, "--no-plugins"]
