"""The checks of a package as one test of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from cgkit.plugins import load_plugins
from cgkit.registry import Component
from cgkit.testing.checks import Check
from cgkit.testing.running import attempt, checks_of_plugin, keys, label, refuse_unknown

if TYPE_CHECKING:
    import pytest


def conformance(
    distribution: str,
    *,
    expected_failures: Mapping[str, str] = {},  # noqa: B006 - never changed
    options: Mapping[str, Mapping[str, Any]] = {},  # noqa: B006 - never changed
) -> pytest.MarkDecorator:
    """Return a decorator that gives a test every check of a package, one after the other, as its argument `check`.

    Calling `check()` raises AssertionError with the reason where a component is found wanting, and skips the test
    where the machine lacks what the check needs. A check that is expected to fail, and does not, fails.

    Args:
        distribution: the installed package, as on PyPI.
        expected_failures: the checks that are known to fail, and why: by name, or as `"generators/halo: compiles"`.
        options: what components are built from, by `"generators/halo"`; for those without `example(folder)`.

    Raises:
        UsageError: there is no such plugin, an expected failure is of no check, or options are of no component.
        PluginError: it could not be loaded.
    """
    import pytest

    checks = checks_of_plugin(distribution, load_plugins(), options)
    refuse_unknown(expected_failures, checks)
    parameters = []
    for component, found in checks.items():
        for check in found:
            expected = next((expected_failures[key] for key in keys(component, check) if key in expected_failures), None)
            marks = [pytest.mark.xfail(strict=True, raises=AssertionError, reason=expected)] if expected else []
            call = _call(component, check, options.get(label(component)))
            parameters.append(pytest.param(call, id=f"{label(component)}-{check.name}", marks=marks))
    return pytest.mark.parametrize("check", parameters)


def _call(component: Component, check: Check, options: Mapping[str, Any] | None) -> Callable[[], None]:
    def call() -> None:
        import pytest

        __tracebackhide__ = True  # the reason says it all
        outcome, reason = attempt(component, check, options)
        if outcome == "skipped":
            pytest.skip(reason)
        if outcome == "failed":
            raise AssertionError(f"{component}: {reason}")

    return call
