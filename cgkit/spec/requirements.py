"""Which distributions a spec or a run needs: whether they are there, in a version that will do, and what to install."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from cgkit.errors import PluginError, Problem
from cgkit.plugins import GROUP, Plugins
from cgkit.registry import BUILT_IN


@dataclass(frozen=True)
class Absence:
    """Why no plugin of a distribution is loaded, as what follows its name, and what to do about it, where known."""

    reason: str
    remedy: str | None = None


def read_requirement(text: str) -> Requirement:
    """Return a requirement of the form `cgkit-stains >= 0.1, < 1` (PEP 508: a name and version specifiers).

    Raises:
        ValueError: it is malformed, or holds a URL, extras or an environment marker.
    """
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        requirement = None
    if requirement is None or requirement.url or requirement.extras or requirement.marker:
        raise ValueError('should be a package with versions, like "cgkit-stains >= 0.1, < 1"')
    return requirement


def name_of(requirement: str) -> str:
    """Return the distribution that a requirement is about, spelt as on PyPI."""
    return canonicalize_name(read_requirement(requirement).name)


def is_file(provider: str) -> bool:
    """Return whether a provider is a plugin in a single file, which cannot be installed."""
    return provider.endswith(".py")


def absence(name: str, plugins: Plugins, requirement: str | None = None) -> Absence | None:
    """Return why no plugin of a distribution is loaded; None where one is.

    Args:
        name: the distribution, spelt as on PyPI, or the name of a plugin in a single file.
        plugins: the loaded plugins.
        requirement: what to install where it is not there, if not just the name.
    """
    statuses = [status for status in plugins.statuses if status.distribution == name]
    if name == BUILT_IN or any(status.state == "ok" for status in statuses):
        return None
    installed = _entry_points(name)
    for status in statuses:
        if status.state == "blocked":
            return Absence(f"which is blocked: {status.reason}", "add it to CGKIT_PLUGINS")
        if installed is not None or is_file(name):
            return Absence(f"which could not be loaded: {status.reason}")
    if is_file(name):
        return Absence("which is not loaded", f'--plugin "{name}"')
    if installed is None:
        return Absence("which is not installed", f'pip install "{requirement or name}"')
    if f"[{GROUP}]" in installed:
        return Absence("which is installed but left out", "go without --no-plugins")
    return Absence("which is installed but holds no plugin")


def absences(made_with: Mapping[str, str], plugins: Plugins) -> Absence | None:
    """Return which of several distributions, given with their versions, are not loaded any more; None where all are."""
    found = {name: absence(name, plugins, compatible(name, version)) for name, version in made_with.items()}
    absent = {name: one for name, one in found.items() if one is not None}
    if not absent:
        return None
    reasons = [
        " ".join(part for part in (name, made_with[name]) if part) + f", {one.reason}" for name, one in absent.items()
    ]
    remedies = [one.remedy for one in absent.values() if one.remedy]
    return Absence(" and ".join(reasons), " and ".join(remedies) or None)


def unmet(requirement: str, plugins: Plugins, path: str, made_with: str = "") -> Problem | None:
    """Return what is wrong with a requirement that a spec has at `path`; None where it is met.

    `made_with` is the version that a run was made with before, if it was.
    """
    wanted = read_requirement(requirement)
    name = canonicalize_name(wanted.name)
    install = str(wanted) if wanted.specifier or not made_with else compatible(name, made_with)
    absent = absence(name, plugins, install)
    version = plugins.version_of(name)
    if absent is not None:
        message, hint = f"needs the package {name}, {absent.reason}", absent.remedy
    elif not _fits(wanted, version):
        message = f"needs {name} {wanted.specifier}, but {version or 'an unknown version'} is installed"
        hint = f'pip install "{install}"'
    else:
        return None
    if made_with:
        message += f" (the run was made with {made_with})"
    return Problem(path, message, hint, exit_code=PluginError.exit_code)


def compatible(name: str, version: str) -> str:
    """Return the requirement of a version or a later one of its series: `x>=1.2,<2` for 1.2.5, `x>=0.3,<0.4` for 0.3.

    A series ends where the first number changes, or the second one while the first is 0. A version that cannot be
    compared asks for nothing.
    """
    read = _read_version(version)
    if read is None:
        return name
    epoch = f"{read.epoch}!" if read.epoch else ""
    # A series' own pre-releases come before its first version.
    least = read.public if read.is_prerelease else f"{epoch}{read.major}.{read.minor}"
    end = f"{read.major + 1}" if read.major else f"0.{read.minor + 1}"
    return f"{name}>={least},<{epoch}{end}"


def is_same_series(first: str, second: str) -> bool:
    """Return whether two versions promise to mean the same by the same options; where it cannot be told, they do."""
    versions = [version for version in map(_read_version, (first, second)) if version is not None]
    return len(versions) < 2 or _series(versions[0]) == _series(versions[1])


def completed(requirements: Iterable[str], providers: Mapping[str, str]) -> list[str]:
    """Return requirements with one more for each provider that none of them names.

    A provider without a version, such as a plugin in a single file, cannot be installed and is left out.
    """
    written = list(requirements)
    named = {name_of(requirement) for requirement in written}
    return [
        *written,
        *(compatible(name, version) for name, version in providers.items() if version and name not in named),
    ]


def _entry_points(name: str) -> str | None:
    """Return what an installed distribution says of its entry points; None where it is not installed."""
    try:
        return distribution(name).read_text("entry_points.txt") or ""
    except PackageNotFoundError:
        return None
    except ValueError:  # not even text
        return ""


def _fits(requirement: Requirement, version: str) -> bool:
    read = _read_version(version)
    if read is None:
        return not requirement.specifier
    return requirement.specifier.contains(read, prereleases=True)


def _series(version: Version) -> tuple[int, ...]:
    return (version.epoch, version.major) if version.major else (version.epoch, 0, version.minor)


def _read_version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None
