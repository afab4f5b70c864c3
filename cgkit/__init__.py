"""cgkit: train CycleGANs that are assembled from plugins as a declarative spec says."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cgkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from cgkit.plugins import load_plugins
    from cgkit.runs.start import run
    from cgkit.spec import load_spec
    from cgkit.translation.translator import Translator

__version__ = "0.1.0"
__all__ = ["Translator", "hookimpl", "load_plugins", "load_spec", "run"]

_LAZY = {
    "Translator": "cgkit.translation.translator",
    "load_plugins": "cgkit.plugins",
    "load_spec": "cgkit.spec",
    "run": "cgkit.runs.start",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import cgkit` is fast for plugins."""
    if name not in _LAZY:
        raise AttributeError(f"module 'cgkit' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_LAZY]
