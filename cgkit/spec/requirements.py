"""The packages that a spec or a run needs: whether their plugins are loaded and, if not, how to load them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from cgkit.errors import PluginError, Problem, UnknownComponentError
from cgkit.plugins import Plugins, entry_points_of
from cgkit.registry import BUILT_IN

_PROVIDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Package names that a hint may contain.

Other names are refused, since a spec may be untrusted and users paste hints into a shell.
"""


def read_requirement(text: str) -> Requirement:
    """Parse a package name with version specifiers (PEP 508), such as `cgkit-stains >= 0.1, < 1`.

    Raises:
        ValueError: the text is malformed, or has a URL, extras or an environment marker.
    """
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        requirement = None
    if requirement is None or requirement.url or requirement.extras or requirement.marker:
        raise ValueError('should be a package with versions, like "cgkit-stains >= 0.1, < 1"')
    return requirement


def unmet_requirements(requires: Iterable[str], plugins: Plugins) -> list[Problem]:
    """Return a problem for each requirement of a spec that the loaded plugins do not meet."""
    problems = []
    for index, text in enumerate(requires):
        wanted = read_requirement(text)
        name = canonicalize_name(wanted.name)
        version = plugins.version_of(name)
        missing = explain_missing(name, plugins, str(wanted))
        if missing is None and not wanted.specifier.contains(version or "0", prereleases=True):
            missing = f"has {f'version {version}' if version else 'no version'}", f'pip install "{wanted}"'
        if missing is not None:
            reason, hint = missing
            message = f"needs {wanted}, but it {reason}"
            problems.append(Problem(f"requires.{index}", message, hint, exit_code=PluginError.exit_code))
    return problems


def explain_unknown(
    name: str, path: str, error: UnknownComponentError, plugins: Plugins, made_with: Mapping[str, str]
) -> Problem:
    """Return the problem to report for an unknown component, naming the missing packages that may provide it.

    If the name is qualified, only the package in the name is considered; otherwise, the packages that the run was made
    with, and those that failed to load or are blocked.

    Args:
        name: the name of the component, as written in the spec.
        path: the dotted path of the name in the spec.
        error: the error of the registry.
        plugins: the loaded plugins.
        made_with: the packages that an earlier run of this spec was made with, and their versions.
    """
    provider = name.rpartition("/")[0]
    provider = provider if provider.endswith(".py") else canonicalize_name(provider)
    needed = {provider: made_with.get(provider, "")} if provider else dict(made_with)
    reasons, hint = [], error.hint
    for package, version in needed.items():
        missing = explain_missing(package, plugins, compatible(package, version))
        if missing is not None:
            subject = f"the run was made with {package} {version}, which" if version else package
            reasons.append(f"{subject} {missing[0]}")
            hint = missing[1] or hint
    if not provider:
        others = [plugin for plugin in (*plugins.failed, *plugins.blocked) if plugin.distribution not in needed]
        reasons += [f"{plugin.distribution} {plugin.fault}" for plugin in others]
    code = PluginError.exit_code if reasons else error.exit_code
    return Problem(path, "; ".join([error.message, *reasons]), hint, exit_code=code)


def compatible(name: str, version: str) -> str:
    """Return the requirement for the series of a version: `x>=1.2,<2` for 1.2.5, `x>=0.3,<0.4` for 0.3.1.

    An option keeps its meaning within a series. If the version is invalid or has an epoch, the result is just the name.
    """
    series = _parse_series(version)
    if series is None:
        return name
    parsed = Version(version)
    start = parsed.public if parsed.is_prerelease else f"{parsed.major}.{parsed.minor}"
    return f"{name}>={start},<{'.'.join(map(str, (*series[:-1], series[-1] + 1)))}"


def is_same_series(first: str, second: str) -> bool:
    """Return whether two versions belong to the same series; true if either is invalid or has an epoch."""
    series = _parse_series(first), _parse_series(second)
    return None in series or series[0] == series[1]


def is_between(version: str, oldest: str, newest: str) -> bool:
    """Return whether a version is at least `oldest` and at most `newest`; false if one of them is invalid."""
    try:
        return Version(oldest) <= Version(version) <= Version(newest)
    except InvalidVersion:
        return False


def complete_requirements(requirements: Iterable[str], providers: Mapping[str, str]) -> list[str]:
    """Return the requirements, plus one for each installed provider that none of them names."""
    written = list(requirements)
    named = {canonicalize_name(read_requirement(text).name) for text in written}
    # Skip plugins in a single file, which have no version and cannot be installed.
    return written + [compatible(name, version) for name, version in providers.items() if version and name not in named]


def explain_missing(provider: str, plugins: Plugins, requirement: str) -> tuple[str, str | None] | None:
    """Return why no plugin of a provider is loaded, and how to load one.

    Return None if a plugin of the provider is loaded, or if the provider is cgkit itself or not a valid package name.
    """
    statuses = [status for status in plugins.statuses if status.distribution == provider]
    if provider == BUILT_IN or not _PROVIDER.fullmatch(provider) or any(status.state == "ok" for status in statuses):
        return None
    if statuses:
        return statuses[0].fault, "change CGKIT_PLUGINS" if statuses[0].state == "blocked" else None
    if provider.endswith(".py"):
        return "is not loaded", f"--plugin {provider}"
    try:
        has_plugin = bool(entry_points_of(distribution(provider)))
    except PackageNotFoundError:
        return "is not installed", f'pip install "{requirement}"'
    return ("is disabled", "leave out --no-plugins") if has_plugin else ("has no plugin", None)


def _parse_series(version: str) -> tuple[int, ...] | None:
    """Return the numbers that versions of a series share: (1,) for 1.2.5, (0, 3) for 0.3.1.

    Return None if the version is invalid or has an epoch.
    """
    try:
        parsed = Version(version)
    except InvalidVersion:
        return None
    if parsed.epoch:
        return None
    return (parsed.major,) if parsed.major else (0, parsed.minor)
