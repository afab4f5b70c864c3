"""The check that loading a plugin is quick and silent, since every `cgkit` command loads it."""

from __future__ import annotations

import functools
import os
import subprocess
import sys

from cgkit.registry import BUILT_IN
from cgkit.testing.check import EVERYTHING, NotApplicableError, check
from cgkit.testing.subject import Subject

_LARGE = ("torch", "numpy", "PIL", "kornia", "torchvision", "scipy", "pandas")
"""Modules that take from a tenth of a second to several seconds to import."""

_LOAD = f"""
import sys
from cgkit.plugins import load_plugins
load_plugins()
print(*[name for name in {_LARGE} if name in sys.modules])
"""


@check(*EVERYTHING)
def registering_is_quick_and_silent(subject: Subject) -> None:
    """Registering the components of the package imports no large library, such as torch, and prints nothing."""
    provider = subject.component.provider
    if provider == BUILT_IN or provider.endswith(".py"):
        raise NotApplicableError
    large, printed = _load(provider)
    assert not large, (
        f"loading {provider} imports {', '.join(large)}, which slows every cgkit command down: register the component"
        ' as "module:attribute", and import the library in that module'
    )
    assert not printed, f"loading {provider} prints {printed[:100]!r}"


@functools.cache
def _load(provider: str) -> tuple[list[str], str]:
    """Load a package's plugins in a new process; return the large modules that it imported, and what it printed."""
    environment = {**os.environ, "CGKIT_PLUGINS": provider, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", _LOAD]
    loaded = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return loaded.stdout.split(), loaded.stderr.strip()
