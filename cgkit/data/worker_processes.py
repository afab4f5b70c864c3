"""Wait for batches from worker processes, notice if one of them dies, and end them all for certain."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any

from torch import Tensor
from torch._C import _remove_worker_pids
from torch.utils.data import DataLoader

from cgkit.data.workers import SHARED_MEMORY, SHARED_MEMORY_HINT
from cgkit.errors import CgkitError, DataError, ResourceError

WORKER_TIMEOUT = 600
"""Seconds to wait for a batch from the workers before raising an error, so that a run cannot hang forever."""

POLL = 1
"""Seconds after which a wait looks for a request to stop."""

GRACE = 2
"""Seconds that workers have to end by themselves, before they are killed."""


class WorkerProcesses:
    """The workers of a `DataLoader`, which load batches ahead.

    torch raises an exception at an arbitrary point of the program if a worker dies. Here, only `next_batch` does.

    Args:
        loader: the loader, made with `timeout=POLL` and `worker_init_fn=prepare_worker`.

    Raises:
        ResourceError: the processes cannot be started.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        with _failed_starts_explained(loader.num_workers):
            batches: Any = iter(loader)
        # From here on, torch's handler of SIGCHLD ignores these workers.
        _remove_worker_pids(id(batches))
        batches._worker_pids_set = False
        batches._worker_result_queue.cancel_join_thread()  # so that Python exits even if a dead worker blocks the queue
        self._batches = batches
        self._workers: list[Any] = batches._workers
        self._pulled: Future[tuple[Any, Exception | None]] | None = None
        atexit.register(self._kill)  # without which Python would wait for a hung worker when it exits

    def next_batch(self, stopping: Callable[[], bool]) -> Any:
        """Return the next batch; None at the end, or as soon as `stopping()` is true while there is nothing to return.

        Raises:
            ResourceError: a worker was killed, or the shared memory is full.
            DataError: a worker ended for another reason, or no batch came within `WORKER_TIMEOUT` seconds.
        """
        deadline = time.monotonic() + WORKER_TIMEOUT
        while True:
            death = self._find_death()
            if death is None:
                try:
                    return self._pull(2 * POLL)
                except (OSError, EOFError, RuntimeError) as error:
                    timed_out = isinstance(error, TimeoutError) or "DataLoader timed out" in str(error)
                    # A process that dies closes its connections shortly before it counts as dead.
                    death = self._find_death(patience=0 if timed_out else POLL)
                    if death is None and not timed_out:
                        _refuse_too_many_files(error)
                        raise
            if stopping():
                return None
            if death is not None:
                raise death
            if time.monotonic() > deadline:
                raise DataError(
                    f"the worker processes delivered no images for {WORKER_TIMEOUT} seconds",
                    hint="the disk or network with the images hangs or is very slow, or a component never returns; "
                    "fix it and run again, with data.workers = 0 if it is a component, to interrupt it with Ctrl-C",
                )

    def _pull(self, patience: float) -> Any:
        """Return the next batch, or None at the end.

        Another thread waits for it. In spite of its timeout, torch waits for ever for a worker that stops in the middle
        of a batch, or before it has handed over the memory of one.

        Raises:
            TimeoutError: nothing came within `patience` seconds; the next call goes on waiting.
        """
        if self._pulled is None or self._pulled.done():
            self._pulled = Future()
            threading.Thread(target=_answer, args=(self._pulled, self._batches), daemon=True).start()
        batch, error = self._pulled.result(patience)
        if error is not None:
            raise error
        return batch

    def end(self) -> None:
        """End the workers: first with a request, and by killing them if they have not ended after some seconds."""
        # In a thread of its own, because torch waits without limit for what a dead worker may have left behind.
        telling = threading.Thread(target=self._batches._shutdown_workers, daemon=True)
        telling.start()
        _wait_for_all([worker.sentinel for worker in self._workers], GRACE)
        self._kill()
        telling.join(GRACE)
        atexit.unregister(self._kill)

    def _kill(self) -> None:
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.join(GRACE)

    def _find_death(self, patience: float = 0) -> CgkitError | None:
        """Return the error to raise for a worker that has ended, or that ends within `patience` seconds."""
        dead = wait([worker.sentinel for worker in self._workers], patience)
        for worker in self._workers:
            if worker.sentinel in dead:
                worker.join(POLL)
                return _explain_death(worker.exitcode, len(self._workers))
        return None


def _answer(future: Future[tuple[Any, Exception | None]], batches: Iterator[Any]) -> None:
    try:
        future.set_result((next(batches, None), None))
    except Exception as error:  # noqa: BLE001 - raised where the batch is needed
        future.set_result((None, error))


def _wait_for_all(sentinels: Sequence[int], patience: float) -> None:
    """Wait until all processes have ended, which their sentinels tell, or until `patience` seconds have passed."""
    remaining, deadline = set(sentinels), time.monotonic() + patience
    while remaining and (left := deadline - time.monotonic()) > 0:
        remaining -= set(wait(remaining, left))


def prepare_worker(number: int) -> None:
    """Make a worker ignore the signals of its parent, and end if its parent is gone.

    Terminals and schedulers send a signal to every process, but workers must run until their parent stops them.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(signal.Signals[name], signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process as soon as its parent has been killed, even if it is waiting for an image that never comes."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _explain_death(exit_code: int | None, workers: int) -> CgkitError:
    names = {-number: number.name for number in signal.Signals}
    name = names.get(exit_code or 0, f"exit code {exit_code}")
    if name == "SIGKILL":
        return ResourceError(
            "a worker process was killed, probably because the machine ran out of memory",
            hint=f"run again with fewer workers, data.workers = {workers // 2} instead of {workers}; the run resumes",
        )
    if name == "SIGBUS":
        return ResourceError(
            f"a worker process died of a bus error, probably because {SHARED_MEMORY} is full", hint=SHARED_MEMORY_HINT
        )
    return DataError(f"a worker process died ({name})", hint="run again with data.workers = 0 to see the cause")


def _refuse_too_many_files(error: Exception) -> None:
    if "Too many open files" in str(error):
        hint = "run again with data.workers lower, or raise `ulimit -n`"
        raise ResourceError("too many open files", hint=hint) from error


@contextmanager
def _failed_starts_explained(workers: int) -> Iterator[None]:
    before = set(multiprocessing.active_children())
    try:
        yield
    except (OSError, RuntimeError) as error:
        # torch would wait for those that did start.
        for started in set(multiprocessing.active_children()) - before:
            started.kill()
        raise ResourceError(
            f"{workers} worker processes cannot be started: {error}", hint="set data.workers lower, or to 0"
        ) from error


def share(tensor: Tensor) -> Tensor:
    """Move a tensor to the shared memory, through which a worker sends it.

    torch would do so later, in a thread in which an error is lost, and the run would wait for ever.

    Raises:
        ResourceError: the shared memory is full.
    """
    try:
        tensor.share_memory_()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise ResourceError(f"the shared memory ({SHARED_MEMORY}) is full", hint=SHARED_MEMORY_HINT) from error
    return tensor
