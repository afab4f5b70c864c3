"""Running part of a check in a process of its own."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


def run_in_child(action: Callable[[], list[str]], folder: Path) -> list[str]:
    """Call an action in a fork of this process, in an empty folder; return its result.

    The action cannot affect this process. What it prints goes to the file `printed.txt` in that folder.
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
