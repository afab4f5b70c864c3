"""Every built-in component passes the conformance kit, just like a third-party one."""

from __future__ import annotations

from collections.abc import Callable

from cgkit.testing import conformance


@conformance("cgkit")
def test_every_component_keeps_its_contract(check: Callable[[], None]) -> None:
    check()
