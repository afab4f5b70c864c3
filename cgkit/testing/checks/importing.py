"""The check that importing a component's module has no side effects."""

from __future__ import annotations

import importlib
import importlib.util
import os
import random
import socket
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from cgkit.testing.check import EVERYTHING, NotApplicableError, UnavailableError, check
from cgkit.testing.child_process import run_in_child
from cgkit.testing.subject import Subject


@check(*EVERYTHING)
def importing_does_no_work(subject: Subject) -> None:
    """Importing the component's code prints and writes nothing, draws no random numbers and changes no settings."""
    if not hasattr(os, "fork"):
        raise UnavailableError("this system has no fork")
    module = sys.modules[subject.component.definition.__module__]
    if getattr(module, "__file__", None) is None or module.__name__ == "__main__":
        raise NotApplicableError
    side_effects = run_in_child(lambda: _import_and_watch(module), subject.folder)
    assert not side_effects, f"importing {module.__name__} {', and '.join(side_effects)}"


def _import_and_watch(module: ModuleType) -> list[str]:
    folder = Path.cwd()

    def refuse(*arguments: Any, **named: Any) -> None:
        raise AssertionError("opened a network connection")

    socket.socket.connect = refuse  # type: ignore[method-assign]
    before = _read_settings()
    try:
        _reimport(module)
    except AssertionError as error:
        return [str(error)]
    after = _read_settings()
    side_effects = [f"changed {setting}" for setting in before if before[setting] != after[setting]]
    sys.stdout.flush()
    sys.stderr.flush()
    if printed := Path("printed.txt").read_text(errors="replace").strip():
        side_effects.append(f"printed {printed[:100]!r}")
    if written := sorted(file.name for file in folder.iterdir() if file.name != "printed.txt"):
        side_effects.append(f"wrote {', '.join(written)}")
    return side_effects


def _reimport(module: ModuleType) -> None:
    """Import a module and the rest of its package again, as if for the first time."""
    package = module.__name__.rpartition(".")[0]
    if package:
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]
        importlib.import_module(module.__name__)
        return
    specification = importlib.util.spec_from_file_location(module.__name__, str(module.__file__))
    assert specification is not None
    assert specification.loader is not None
    fresh = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = fresh
    specification.loader.exec_module(fresh)


def _read_settings() -> dict[str, str]:
    return {
        "torch's random numbers": str(hash(torch.get_rng_state().numpy().tobytes())),
        "Python's random numbers": str(hash(random.getstate())),
        "numpy's random numbers": str(np.random.get_state()),
        "torch's default type": str(torch.get_default_dtype()),
        "torch's number of threads": str(torch.get_num_threads()),
        "the running threads": str(sorted(thread.name for thread in threading.enumerate())),
        "whether gradients are computed": str(torch.is_grad_enabled()),
        "the working folder": str(Path.cwd()),
        "the environment": str(sorted(os.environ.items())),
        "the arguments": str(sys.argv),
    }
