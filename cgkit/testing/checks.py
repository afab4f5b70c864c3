"""What a check is, and the list of them all."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from cgkit.contracts import Kind, kind_names

if TYPE_CHECKING:
    from cgkit.testing.subject import Subject

MODULES = (
    "options",
    "importing",
    "pickling",
    "randomness",
    "networks",
    "gradients",
    "generators",
    "discriminators",
    "adversarial_losses",
    "reconstruction_losses",
    "augmentations",
    "sources",
    "schedules",
    "metrics",
    "trackers",
)
"""The modules of this package that hold checks, in the order in which these run."""

ALL_KINDS = tuple(kind_names())

Function = Callable[["Subject"], None]
F = TypeVar("F", bound=Function)


class Unavailable(Exception):  # noqa: N818 - nothing is wrong
    """A check cannot be made here: what it needs is not on this machine."""


@dataclass(frozen=True)
class Check:
    """One thing that is asked of a component.

    Attributes:
        name: what it finds out, in few words: `gradients-reach-every-parameter`.
        summary: the same as a sentence.
        kinds: the kinds of component that it is asked of.
        run: raises AssertionError, with what was expected and what came, where a subject is found wanting.
        applies: whether it can be asked of a subject at all.
    """

    name: str
    summary: str
    kinds: tuple[str, ...]
    run: Function
    applies: Callable[[Subject], bool]


_CHECKS: list[Check] = []


def check(*kinds: str, where: Callable[[Subject], bool] = lambda subject: True) -> Callable[[F], F]:
    """Make a check of a function: called as the function is, with hyphens, summed up by its docstring.

    Args:
        kinds: of which kinds it is asked, as the registries are called.
        where: of which components of these kinds.
    """

    def register(function: F) -> F:
        name = function.__name__.replace("_", "-")
        summary = " ".join(inspect.cleandoc(function.__doc__ or "").split())
        _CHECKS.append(Check(name, summary, kinds, function, where))
        return function

    return register


def checks_of(kind: Kind) -> tuple[Check, ...]:
    """Return the checks of a kind in order."""
    for module in MODULES:
        import_module(f"cgkit.testing.{module}")
    return tuple(found for found in _CHECKS if kind.name in found.kinds)


def expect(condition: bool, otherwise: str) -> None:
    """Raise AssertionError with a reason where something is not so. (An `assert` would go with `python -O`.)"""
    if not condition:
        raise AssertionError(otherwise)
