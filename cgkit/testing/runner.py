"""Running checks and collecting their results."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cgkit.errors import CgkitError, PluginError, UsageError, did_you_mean, traceback_of
from cgkit.plugins import Plugins
from cgkit.registry import Component, describe_exception
from cgkit.testing.check import Check, NotApplicableError, RemarkError, UnavailableError, all_checks, checks_for
from cgkit.testing.subject import Subject, subject_of

Outcome = Literal["passed", "failed", "expected failure", "unexpected pass", "skipped"]


@dataclass(frozen=True)
class CheckResult:
    """The result of one check on one component.

    Attributes:
        component: the registry and name of the component, such as `generators/resnet`.
        check: the name of the check.
        outcome: how the check ended; `failed` and `unexpected pass` are failures.
        reason: the expected and the actual result, or why the check was skipped or is expected to fail; of a check that
            passed, a remark for the author, if any.
        seconds: the duration of the check, in seconds.
        traceback: the traceback of the exception with which a failed check ended.
    """

    component: str
    check: str
    outcome: Outcome
    reason: str
    seconds: float
    traceback: str = field(default="", repr=False)


def check_plugin(
    distribution: str,
    plugins: Plugins,
    *,
    only: Collection[str] = (),
    expected_failures: Mapping[str, str] | None = None,
) -> Iterator[CheckResult]:
    """Run every check on the components of a package, and yield the results.

    Args:
        distribution: the name of the package, or the file name of a plugin in a single file.
        plugins: the loaded plugins.
        only: the components to check, like `resnet` or `generator/resnet`; by default all.
        expected_failures: see `check_component`.

    Raises:
        UsageError: the package has no plugin, or it has no component of a given name, or an expected failure names no
            check.
        PluginError: the plugin is blocked or could not be loaded.
    """
    components = select(components_of(distribution, plugins), only)
    refuse_unknown_expectations(components, expected_failures or {})
    return (
        result
        for component in components
        for result in check_component(component, expected_failures=expected_failures or {})
    )


def check_component(
    component: Component,
    *,
    expected_failures: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Iterator[CheckResult]:
    """Run every check on a component, and yield the results.

    Args:
        component: the component under test.
        expected_failures: the reason for each expected failure, keyed by the name of the check, or by component and
            check, as in `"generators/resnet: the-check"`.
        options: the options to build the component with; by default those that its `example` returns, if it has one.
    """
    with subject_of(component, options) as subject:
        for check in checks_for(component):
            result = _run_check(check, subject, expected_reason(component, check, expected_failures or {}))
            if result is not None:
                yield result


def components_of(distribution: str, plugins: Plugins) -> list[Component]:
    """Return the components that a package provides.

    Raises:
        UsageError: the package has no plugin, or is not installed.
        PluginError: the plugin is blocked or could not be loaded.
    """
    statuses = [status for status in plugins.statuses if status.distribution == distribution]
    if not statuses:
        known = sorted({status.distribution for status in plugins.statuses})
        raise UsageError(
            f"no plugin named {distribution!r}",
            hint=did_you_mean(distribution, known) or f"available: {', '.join(known)}",
        )
    for status in statuses:
        if status.state != "ok":
            state = "could not be loaded" if status.state == "failed" else "is blocked"
            raise PluginError(f"{distribution} {state}: {status.reason}")
    everything = (component for registry in plugins.registries for component in registry)
    return [component for component in everything if component.provider == distribution]


def select(components: Sequence[Component], names: Collection[str]) -> list[Component]:
    """Return the components with the given names, like `resnet` or `generator/resnet`; all if there are no names.

    Raises:
        UsageError: no component has one of the names.
    """
    for name in names:
        if not any(name in _names_of(component) for component in components):
            known = [label(component) for component in components]
            raise UsageError(
                f"no component named {name!r}", hint=did_you_mean(name, known) or f"available: {', '.join(known)}"
            )
    return [component for component in components if not names or _names_of(component) & set(names)]


def _names_of(component: Component) -> set[str]:
    return {component.name, label(component), f"{component.kind.table}/{component.name}"}


def label(component: Component) -> str:
    """Return the name of a component in reports."""
    return f"{component.kind.name}/{component.name}"


def expected_reason(component: Component, check: Check, expected_failures: Mapping[str, str]) -> str | None:
    """Return why a check is expected to fail on a component; None if it should pass."""
    return expected_failures.get(f"{label(component)}: {check.name}", expected_failures.get(check.name))


def refuse_unknown_expectations(components: list[Component], expected_failures: Mapping[str, str]) -> None:
    """Refuse expected failures that name no check: a misspelled name would have no effect.

    Raises:
        UsageError: a name is unknown.
    """
    known = {check.name for check in all_checks()}
    known |= {f"{label(component)}: {check.name}" for component in components for check in checks_for(component)}
    for name in expected_failures:
        if name not in known:
            raise UsageError(f"expected_failures: no check named {name!r}", hint=did_you_mean(name, known))


def require(check: Check, subject: Subject) -> None:
    """Run a check.

    Raises:
        AssertionError: the check failed; its cause is the exception that the check or the component raised.
        NotApplicableError: the requirement does not apply to the component.
        RemarkError: the check passed, but the author should know something.
        UnavailableError: the machine lacks something that the check needs.
    """
    try:
        # stdout may be a report, so what a component prints must not end up there.
        with contextlib.redirect_stdout(sys.stderr):
            check.run(subject)
    except (NotApplicableError, RemarkError, UnavailableError, KeyboardInterrupt):
        raise
    except AssertionError as error:
        raise AssertionError(str(error) or "an assertion in the component failed") from error
    except CgkitError as error:
        raise AssertionError(str(error)) from error
    except (Exception, SystemExit) as error:  # third-party code may raise anything
        raise AssertionError(f"raised {describe_exception(error)}") from error


def _run_check(check: Check, subject: Subject, expected: str | None) -> CheckResult | None:
    start = time.perf_counter()
    outcome: Outcome
    reason = cause = ""
    try:
        require(check, subject)
        outcome = "passed"
    except NotApplicableError:
        return None
    except RemarkError as remark:
        outcome, reason = "passed", str(remark)
    except UnavailableError as error:
        outcome, reason = "skipped", str(error)
    except AssertionError as error:
        outcome, reason, cause = "failed", str(error), traceback_of(error.__cause__ or error)
    if expected is not None and outcome == "failed":
        outcome, reason = "expected failure", expected
    elif expected is not None and outcome == "passed":
        outcome, reason = "unexpected pass", f"expected to fail: {expected}"
    return CheckResult(label(subject.component), check.name, outcome, reason, time.perf_counter() - start, cause)
