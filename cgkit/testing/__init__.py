"""The conformance kit: checks that a component keeps the contract of its kind.

The tests of a plugin need only one function:

    from cgkit.testing import conformance

    @conformance("cgkit-NAME")
    def test_every_component_keeps_its_contract(check):
        check()

`cgkit plugins check cgkit-NAME` runs the same checks without pytest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cgkit.testing.check import Check, checks_for
    from cgkit.testing.pytest_decorator import conformance
    from cgkit.testing.runner import CheckResult, check_component, check_plugin

__all__ = ["Check", "CheckResult", "check_component", "check_plugin", "checks_for", "conformance"]

_LAZY = {
    "Check": "check",
    "CheckResult": "runner",
    "check_component": "runner",
    "check_plugin": "runner",
    "checks_for": "check",
    "conformance": "pytest_decorator",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that pytest can collect a plugin's tests without importing torch."""
    if name not in _LAZY:
        raise AttributeError(f"module 'cgkit.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"cgkit.testing.{_LAZY[name]}"), name)
