"""The component passes the conformance checks."""

from __future__ import annotations

from collections.abc import Callable

from cgkit.testing import conformance


@conformance("cgkit-page")
def test_every_component_keeps_its_contract(check: Callable[[], None]) -> None:
    check()
