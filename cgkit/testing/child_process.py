"""Running part of a check in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

STATISTICS = Path("/proc/self/statm")
CAN_LIMIT = STATISTICS.exists()
"""Whether `run_in_child` can limit time and memory: only on Linux."""


def run_in_child(
    action: Callable[[], list[str]], folder: Path, *, seconds: int | None = None, memory: int | None = None
) -> list[str]:
    """Call an action in a fork of this process, in an empty folder; return its result.

    The action cannot affect this process. What it prints goes to the file `printed.txt` in that folder.

    Args:
        action: the function to call, which returns texts.
        folder: where to create the folder.
        seconds: time after which the child ends.
        memory: bytes that the child can use in addition to those of this process.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.chdir(tempfile.mkdtemp(dir=folder))
            output = os.open("printed.txt", os.O_WRONLY | os.O_CREAT)
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.stdout = sys.stderr = open(1, "w", closefd=False)  # noqa: SIM115 - open until the child exits
            _limit(seconds, memory)
            result = action()
        except BaseException as error:  # noqa: BLE001 - the child must not return to the parent's code
            result = [f"raised {type(error).__name__}: {error}"]
        os.write(writing, json.dumps(result).encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as stream:  # noqa: PTH123 - `reading` is a descriptor, not a path
        answer = stream.read()
    os.waitpid(child, 0)
    return list(json.loads(answer)) if answer else ["ended the process"]


def _limit(seconds: int | None, memory: int | None) -> None:
    """Limit the time and the memory of this process."""
    if seconds is not None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
    if memory is not None:
        import resource  # which Windows does not have

        used = int(STATISTICS.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
