"""The conformance kit: what the contract asks of a component, as checks.

Every built-in component is held against them, and so can be any other: `cgkit plugins check cgkit-NAME` runs them, and
in a package's own tests they are one test:

    from cgkit.testing import conformance

    @conformance("cgkit-NAME")
    def test_every_component_keeps_its_contract(check):
        check()

A component is built as small as its `example(folder)` says; from its defaults where it has none. Every check builds
its own, and leaves the process as it was.
"""

from __future__ import annotations

from cgkit.testing.checks import Check
from cgkit.testing.decorator import conformance
from cgkit.testing.running import CheckResult, check_component, check_plugin, checks_for

__all__ = ["Check", "CheckResult", "check_component", "check_plugin", "checks_for", "conformance"]
