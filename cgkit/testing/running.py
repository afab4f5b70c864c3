"""Running checks, and what comes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from packaging.utils import canonicalize_name

from cgkit.contracts import Kind
from cgkit.errors import CgkitError, PluginError, UsageError, did_you_mean
from cgkit.plugins import Plugins
from cgkit.registry import Component, describe_exception
from cgkit.testing.checks import Check, Unavailable, checks_of

if TYPE_CHECKING:
    from cgkit.testing.subject import Subject

Outcome = Literal["passed", "failed", "expected failure", "unexpected pass", "skipped"]


@dataclass(frozen=True)
class CheckResult:
    """What came of one check of one component.

    Attributes:
        component: its kind and name: `generators/resnet`.
        check: the check's name.
        outcome: what came of it.
        reason: what was expected and what came; why it was skipped, or why it was expected to fail.
        seconds: how long it took.
    """

    component: str
    check: str
    outcome: Outcome
    reason: str
    seconds: float


def checks_for(component: Component | Kind) -> tuple[Check, ...]:
    """Return the checks that can be asked of a component, or all those of a kind, in the order in which they run."""
    if isinstance(component, Kind):
        return checks_of(component)
    return _applicable(component, None)


def check_component(
    component: Component,
    *,
    expected_failures: Mapping[str, str] = {},  # noqa: B006 - never changed
    options: Mapping[str, Any] | None = None,
) -> Iterator[CheckResult]:
    """Check one component; a result comes as soon as it is known.

    Args:
        component: the component.
        expected_failures: the checks that are known to fail, and why: by name, or as `"generators/halo: compiles"`.
        options: what it is built from; its `example(folder)` or its defaults where there are none.

    Raises:
        UsageError: an expected failure is of no check.
    """
    checks = {component: _applicable(component, options)}
    refuse_unknown(expected_failures, checks)
    return _results(checks, expected_failures, {label(component): options} if options is not None else {})


def check_plugin(
    distribution: str,
    plugins: Plugins,
    *,
    expected_failures: Mapping[str, str] = {},  # noqa: B006 - never changed
    options: Mapping[str, Mapping[str, Any]] = {},  # noqa: B006 - never changed
) -> Iterator[CheckResult]:
    """Check every component that a package provides; a result comes as soon as it is known.

    Args:
        distribution: the package, as on PyPI; `"cgkit"` is what is built in.
        plugins: the loaded plugins.
        expected_failures: as for `check_component`.
        options: what components are built from, by `"generators/halo"`.

    Raises:
        UsageError: there is no such plugin, an expected failure is of no check, or options are of no component.
        PluginError: it could not be loaded.
    """
    checks = checks_of_plugin(distribution, plugins, options)
    refuse_unknown(expected_failures, checks)
    return _results(checks, expected_failures, options)


def checks_of_plugin(
    distribution: str, plugins: Plugins, options: Mapping[str, Mapping[str, Any]]
) -> dict[Component, tuple[Check, ...]]:
    """Return the components that a package provides, each with the checks that can be asked of it.

    Raises:
        UsageError: there is no such plugin, or options are of no component.
        PluginError: it could not be loaded.
    """
    components = _components_of(distribution, plugins)
    known = [label(component) for component in components]
    for name in options.keys() - set(known):
        raise UsageError(f'options are given for "{name}", but {distribution} has no such component', hint=_among(known))
    return {component: _applicable(component, options.get(label(component))) for component in components}


def refuse_unknown(expected_failures: Iterable[str], checks: Mapping[Component, tuple[Check, ...]]) -> None:
    """Raise UsageError for an expected failure of no check: it was mended, renamed or misspelt."""
    known = {key for component, found in checks.items() for one in found for key in keys(component, one)}
    for key in expected_failures:
        if key not in known:
            raise UsageError(
                f'a failure of "{key}" is expected, but there is no such check', hint=did_you_mean(key, sorted(known))
            )


def keys(component: Component, check: Check) -> tuple[str, str]:
    """Return what an expected failure of a check can be called, the more exact name first."""
    return f"{label(component)}: {check.name}", check.name


def label(component: Component) -> str:
    """Return what a component is called in results: `generators/resnet`."""
    return f"{component.kind.name}/{component.name}"


def attempt(component: Component, check: Check, options: Mapping[str, Any] | None) -> tuple[str, str]:
    """Run one check, leaving the process as it was; return "passed", "failed" or "skipped", and why."""
    from cgkit.testing.isolation import isolated
    from cgkit.testing.subject import Subject

    try:
        with isolated(), Subject(component, options) as subject:
            check.run(subject)
    except Unavailable as missing:
        return "skipped", str(missing)
    except (AssertionError, CgkitError) as error:
        return "failed", str(error)
    except Exception as error:  # noqa: BLE001 - a stranger's component may raise anything
        return "failed", _told(error)
    return "passed", ""


def _results(
    checks: Mapping[Component, tuple[Check, ...]],
    expected_failures: Mapping[str, str],
    options: Mapping[str, Mapping[str, Any]],
) -> Iterator[CheckResult]:
    for component, found in checks.items():
        for check in found:
            begun = perf_counter()
            outcome, reason = attempt(component, check, options.get(label(component)))
            expected = next((expected_failures[key] for key in keys(component, check) if key in expected_failures), None)
            if expected is not None and outcome != "skipped":
                outcome = "expected failure" if outcome == "failed" else "unexpected pass"
                reason = f"{expected}: {reason}" if reason else f"expected to fail: {expected}"
            yield CheckResult(label(component), check.name, outcome, reason, perf_counter() - begun)  # type: ignore[arg-type]


def _applicable(component: Component, options: Mapping[str, Any] | None) -> tuple[Check, ...]:
    from cgkit.testing.isolation import isolated
    from cgkit.testing.subject import Subject

    def applies(check: Check, subject: Subject) -> bool:
        try:
            return check.applies(subject)
        except Exception:  # noqa: BLE001 - a component that cannot even be looked at fails the check, which says why
            return True

    with isolated(), Subject(component, options) as subject:
        return tuple(check for check in checks_of(component.kind) if applies(check, subject))


def _components_of(distribution: str, plugins: Plugins) -> list[Component]:
    names = {status.distribution for status in plugins.statuses}
    name = distribution if distribution in names else canonicalize_name(distribution)
    if name not in names:
        raise UsageError(f'no plugin is called "{distribution}"', hint=_among(sorted(names)))
    for status in plugins.statuses:
        if status.distribution == name and status.state != "ok":
            raise PluginError(f"{name} is {status.state}: {status.reason}")
    return [component for registry in plugins.registries for component in registry if component.provider == name]


def _among(names: Iterable[str]) -> str:
    return f"there are: {', '.join(names)}"


def _told(error: Exception) -> str:
    """Return what was raised and where: the last line of the component's own, or of what it called."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})" if trace is not None else ""
    return f"it raised {describe_exception(error)}{place}"
