"""What importing a component's module may not do."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import random
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from cgkit.testing.check import EVERYTHING, NotApplicableError, UnavailableError, check
from cgkit.testing.subject import Subject


@check(*EVERYTHING)
def importing_does_no_work(subject: Subject) -> None:
    """Its module and those beside it, imported anew, print and write nothing, draw no random number, set nothing."""
    if not hasattr(os, "fork"):
        raise UnavailableError("this system has no fork")
    module = sys.modules[subject.component.load().__module__]
    if getattr(module, "__file__", None) is None or module.__name__ == "__main__":
        raise NotApplicableError
    done = _in_a_child(lambda: _import_and_watch(module), subject.folder)
    assert not done, f"importing {module.__name__} {', and '.join(done)}"


def _import_and_watch(module: ModuleType) -> list[str]:
    folder = Path.cwd()

    def refuse(*arguments: Any, **named: Any) -> None:
        raise AssertionError("opened a network connection")

    socket.socket.connect = refuse  # type: ignore[method-assign]
    before = _settings()
    try:
        _import_anew(module)
    except AssertionError as error:
        return [str(error)]
    after = _settings()
    done = [f"changed {what}" for what in before if before[what] != after[what]]
    sys.stdout.flush()
    sys.stderr.flush()
    if printed := Path("printed.txt").read_text(errors="replace").strip():
        done.append(f"printed {printed[:100]!r}")
    written = sorted(file.name for file in folder.iterdir() if file.name != "printed.txt")
    if written:
        done.append(f"wrote {', '.join(written)}")
    return done


def _import_anew(module: ModuleType) -> None:
    """Import a module, and all that lie in the package that it is in, as if nobody had before."""
    package = module.__name__.rpartition(".")[0]
    if package:
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]
        importlib.import_module(module.__name__)
        return
    specification = importlib.util.spec_from_file_location(module.__name__, str(module.__file__))
    assert specification is not None
    assert specification.loader is not None
    again = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = again
    specification.loader.exec_module(again)


def _settings() -> dict[str, str]:
    return {
        "torch's random numbers": str(hash(torch.get_rng_state().numpy().tobytes())),
        "Python's random numbers": str(hash(random.getstate())),
        "numpy's random numbers": str(np.random.get_state()),
        "torch's default type": str(torch.get_default_dtype()),
        "torch's number of threads": str(torch.get_num_threads()),
        "which threads run": str(sorted(thread.name for thread in threading.enumerate())),
        "whether gradients are computed": str(torch.is_grad_enabled()),
        "the working folder": str(Path.cwd()),
        "the environment": str(sorted(os.environ.items())),
        "the arguments": str(sys.argv),
    }


def _in_a_child(action: Callable[[], list[str]], folder: Path) -> list[str]:
    """Return what an action returns in a copy of this process, which it cannot harm."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            place = folder / "importing"
            place.mkdir()
            os.chdir(place)
            out = os.open("printed.txt", os.O_WRONLY | os.O_CREAT)
            os.dup2(out, 1)
            os.dup2(out, 2)
            sys.stdout = sys.stderr = open(1, "w", closefd=False)  # noqa: SIM115 - for the rest of its life
            result = action()
        except BaseException as error:  # noqa: BLE001 - nothing may leave the child but its result
            result = [f"raised {type(error).__name__}: {error}"]
        os.write(writing, json.dumps(result).encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as stream:  # noqa: PTH123 - a descriptor is no path
        told = stream.read()
    os.waitpid(child, 0)
    return list(json.loads(told)) if told else ["ended the process"]
