"""The definition of a check, and the list of checks for each kind of component."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cgkit.contracts import KINDS

if TYPE_CHECKING:
    from cgkit.registry import Component
    from cgkit.testing.subject import Subject

MODULES = (
    "registration",
    "registering",
    "importing",
    "networks",
    "gradients",
    "randomness",
    "state",
    "compilation",
    "published_names",
    "tiling",
    "adversarial_losses",
    "reconstruction_losses",
    "terms",
    "optimizers",
    "augmentations",
    "sources",
    "metrics",
    "observation",
    "exporting",
    "formats",
)
"""The modules of `cgkit.testing.checks`, in the order in which their checks run."""


class NotApplicableError(Exception):
    """The requirement does not apply to the component under test."""


class UnavailableError(Exception):
    """The machine lacks something that the check needs."""


class RemarkError(Exception):
    """The component keeps its contract, but its author should know something, which the message says."""


@dataclass(frozen=True)
class Check:
    """One requirement of a contract.

    Attributes:
        name: the check's name in reports, such as `gradients-reach-every-parameter`.
        kinds: the registries whose components must meet the requirement.
        summary: the requirement in one sentence.
        run: tests a component; if it fails, raises AssertionError with the expected and the actual result.
    """

    name: str
    kinds: tuple[str, ...]
    summary: str
    run: Callable[[Subject], None]


_CHECKS: dict[str, Check] = {}

NETWORKS = ("generators", "discriminators")
LOSSES = ("adversarial_losses", "reconstruction_losses")
EVERYTHING = tuple(kind.name for kind in KINDS)


def check(*kinds: str) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Register a function as a check for `kinds`, described by the function's name and first docstring line."""

    def register(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
        name = function.__name__.replace("_", "-")
        summary = inspect.cleandoc(function.__doc__ or "").partition("\n")[0]
        _CHECKS[name] = Check(name, kinds, summary, function)
        return function

    return register


def all_checks() -> tuple[Check, ...]:
    """Return every check, in the order in which they run."""
    for module in MODULES:
        importlib.import_module(f"cgkit.testing.checks.{module}")
    return tuple(_CHECKS.values())


def checks_for(component: Component) -> tuple[Check, ...]:
    """Return the checks that apply to a component."""
    return tuple(check for check in all_checks() if component.kind.name in check.kinds)
