"""The sources pass the conformance checks, with small files of their own."""

from __future__ import annotations

from collections.abc import Callable

from cgkit.testing import conformance


@conformance("cgkit-sources")
def test_every_component_keeps_its_contract(check: Callable[[], None]) -> None:
    check()
