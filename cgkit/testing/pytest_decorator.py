"""The conformance kit as a decorator for a pytest test function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cgkit.plugins import load_plugins
from cgkit.registry import Component
from cgkit.testing.check import Check, NotApplicableError, RemarkError, UnavailableError, checks_for
from cgkit.testing.runner import (
    components_of,
    expected_reason,
    label,
    refuse_unknown_expectations,
    require,
)
from cgkit.testing.subject import subject_of


def conformance(
    distribution: str,
    *,
    expected_failures: Mapping[str, str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn a test function with an argument `check` into one test per check and component of a package.

    Args:
        distribution: the name of the installed package.
        expected_failures: for each check that is expected to fail, the reason; keys are names of checks, or like
            `"generators/resnet: the-check"`. A test fails if a check passes that is expected to fail.
        options: for each component, the options to build it with; keys are like `"generators/resnet"`. By default, the
            options that the component's `example` returns, if it has one.

    Raises:
        UsageError: the package has no plugin, or an expected failure names no check.
        PluginError: the plugin is blocked or could not be loaded.
    """
    import pytest

    expected_failures = expected_failures or {}
    components = components_of(distribution, load_plugins())
    refuse_unknown_expectations(components, expected_failures)
    parameters = []
    for component in components:
        for check in checks_for(component):
            reason = expected_reason(component, check, expected_failures)
            marks = () if reason is None else (pytest.mark.xfail(reason=reason, strict=True, raises=AssertionError),)
            test = _make_test(component, check, (options or {}).get(label(component)))
            parameters.append(pytest.param(test, id=f"{label(component)}-{check.name}", marks=marks))
    return pytest.mark.parametrize("check", parameters)


def _make_test(component: Component, check: Check, options: Mapping[str, Any] | None) -> Callable[[], None]:
    def run() -> None:
        import pytest

        with subject_of(component, options) as subject:
            try:
                require(check, subject)
            except (NotApplicableError, RemarkError):
                return
            except UnavailableError as error:
                pytest.skip(str(error))
            except AssertionError as error:
                # Its cause is the exception of the component, so that pytest shows the component's own frames.
                raise AssertionError(f"{label(component)}, {check.name}: {error}") from error.__cause__

    return run
