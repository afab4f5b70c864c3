"""Every built-in component keeps its contract, as the kit for strangers sees it."""

from __future__ import annotations

from collections.abc import Callable

from cgkit.testing import conformance


@conformance("cgkit")
def test_every_component_keeps_its_contract(check: Callable[[], None]) -> None:
    check()
