"""What a check is, and which there are for each kind of component."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cgkit.contracts import kind_names

if TYPE_CHECKING:
    from cgkit.registry import Component
    from cgkit.testing.subject import Subject

MODULES = (
    "registration",
    "importing",
    "networks",
    "gradients",
    "randomness",
    "state",
    "compilation",
    "published_names",
    "adversarial_losses",
    "reconstruction_losses",
    "augmentations",
    "sources",
    "metrics",
    "observation",
)
"""The modules of this package that hold checks, in the order in which they are made."""


class NotApplicableError(Exception):
    """The contract asks nothing of this component here."""


class UnavailableError(Exception):
    """What the check needs is not on this machine."""


@dataclass(frozen=True)
class Check:
    """One thing that a contract asks for.

    Attributes:
        name: what it is called in reports: `gradients-reach-every-parameter`.
        kinds: the registries whose components it is made on.
        summary: one sentence.
        run: makes it; raises AssertionError with what was expected and what came.
    """

    name: str
    kinds: tuple[str, ...]
    summary: str
    run: Callable[[Subject], None]


_CHECKS: dict[str, Check] = {}

NETWORKS = ("generators", "discriminators")
LOSSES = ("adversarial_losses", "reconstruction_losses")
EVERYTHING = tuple(kind_names())


def check(*kinds: str) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Make a function a check on components of some kinds; its name and the first line of its docstring tell what."""

    def register(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
        name = function.__name__.replace("_", "-")
        summary = inspect.cleandoc(function.__doc__ or "").partition("\n")[0]
        _CHECKS[name] = Check(name, kinds, summary, function)
        return function

    return register


def all_checks() -> tuple[Check, ...]:
    """Return every check, in the order in which they are made."""
    for module in MODULES:
        importlib.import_module(f"cgkit.testing.checks.{module}")
    return tuple(_CHECKS.values())


def checks_for(component: Component) -> tuple[Check, ...]:
    """Return the checks that are made on a component."""
    return tuple(one for one in all_checks() if component.kind.name in one.kinds)
