"""The registry of the components that test the checks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

COUNT = itertools.count()
"""A source of variation that no seed controls."""


@dataclass(frozen=True)
class Example:
    """A component of a kind, and the check that it fails, if any."""

    kind: str
    check: str | None
    target: Any


def _register(examples: list[Example], kind: str, check: str | None = None) -> Callable[[Any], Any]:
    def register(target: Any) -> Any:
        examples.append(Example(kind, check, target))
        return target

    return register


GOOD: list[Example] = []
good = partial(_register, GOOD)
"""Register a component that keeps its contract."""

BROKEN_ALONE: list[Example] = []
breaks_only = partial(_register, BROKEN_ALONE)
"""Register the component that fails a check and no other one."""

BROKEN: list[Example] = []
breaks = partial(_register, BROKEN)
"""Register a component that fails a check in another way, and possibly other checks."""
