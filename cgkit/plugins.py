"""Find and load plugins, isolated from each other.

A plugin that fails to load is not used at all; its status gives the reason, and other plugins are unaffected.
(pluggy's own loader does not isolate plugins, and silently drops a second entry point of the same name.)
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import Distribution, EntryPoint, distribution, distributions, version
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pluggy

from cgkit import components, hookspecs
from cgkit.contracts import Kind
from cgkit.errors import UsageError, did_you_mean, traceback_of
from cgkit.packages import canonical_name, install_hint
from cgkit.registry import BUILT_IN, Component, Registries, describe_exception

GROUP = "cgkit"
"""The entry-point group of plugins."""

API = 1
"""The version of the plugin contract. A plugin that declares another version (`cgkit_api = 2`) is not loaded."""

SETTINGS = Kind("settings", "settings", (), "Settings of a plugin's hooks.")
"""How the settings of hooks are built: like a component, with their keyword-only parameters."""

HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("cgkit_"))


@dataclass(frozen=True)
class PluginStatus:
    """The outcome of loading a plugin.

    Attributes:
        name: the name of the plugin's entry point.
        distribution: the plugin's package, spelt as on PyPI (lower case, with hyphens), or the file name of a plugin in
            a single file.
        version: the version of the package; empty for a plugin in a single file.
        state: `ok`, `failed`, or `blocked` if `CGKIT_PLUGINS` does not allow the package.
        reason: why the state is not `ok`.
        reads_since: the oldest version of the package whose runs and models this one reads, as it declares; empty if
            these are only those of its own series.
        traceback: the traceback of the exception because of which the plugin failed to load.
    """

    name: str
    distribution: str
    version: str
    state: Literal["ok", "failed", "blocked"] = "ok"
    reason: str = ""
    reads_since: str = ""
    traceback: str = field(default="", repr=False)

    @property
    def fault(self) -> str:
        """The reason why the plugin is not loaded, worded to follow its name: `is blocked: ...`."""
        return f"{'is blocked' if self.state == 'blocked' else 'could not be loaded'}: {self.reason}"


@dataclass
class Plugins:
    """The loaded plugins with their components and hooks, and the status of every plugin."""

    registries: Registries = field(default_factory=Registries)
    statuses: list[PluginStatus] = field(default_factory=list)
    manager: pluggy.PluginManager = field(default_factory=lambda: _create_manager())
    files: list[Path] = field(default_factory=list)
    """The plugins in single files."""

    @property
    def failed(self) -> list[PluginStatus]:
        """The plugins that failed to load."""
        return [status for status in self.statuses if status.state == "failed"]

    @property
    def blocked(self) -> list[PluginStatus]:
        """The plugins that are not loaded because `CGKIT_PLUGINS` does not allow them."""
        return [status for status in self.statuses if status.state == "blocked"]

    def version_of(self, provider: str) -> str:
        """Return the version of a package; an empty string if it has none or no plugin of the package was found."""
        return next((status.version for status in self.statuses if status.distribution == provider), "")

    def settings(self) -> Iterator[Component]:
        """Yield what plugins declare as the settings of their hooks, sorted by package."""
        for name, plugin in sorted(self.manager.list_name_plugin()):
            if (declared := getattr(plugin, "cgkit_settings", None)) is not None:
                provider, _, entry_point = name.partition(":")
                yield Component(SETTINGS, entry_point, provider, declared)

    def settings_of(self, package: str) -> Component | None:
        """Return what a package declares as the settings of its hooks; None if it declares none or is not loaded."""
        return next((component for component in self.settings() if component.provider == package), None)

    def reads_since(self, provider: str) -> str:
        """Return the oldest version of a package whose runs and models the installed one reads, as it declares."""
        return next((status.reads_since for status in self.statuses if status.distribution == provider), "")

    def implementations(self, hook: str) -> Iterator[tuple[str, Callable[..., Any]]]:
        """Yield, for each plugin that implements a hook, its name and a function that calls only this plugin's hook.

        The order is pluggy's: last loaded first, except for those marked `tryfirst` or `trylast`.
        """
        for implementation in reversed(getattr(self.manager.hook, hook).get_hookimpls()):
            yield implementation.plugin_name, _create_caller(self.manager, hook, implementation.plugin)


def load_plugins(*, installed: bool = True, files: Sequence[Path] = ()) -> Plugins:
    """Load the built-in plugin, all installed plugins, and plugins in single files.

    The environment variable `CGKIT_PLUGINS` names the packages to load, separated by commas. If it is set but empty, no
    installed plugin is loaded. A package with a minus is not loaded: `-cgkit-x` loads all but `cgkit-x`.

    Args:
        installed: whether to load installed plugins.
        files: Python files, each of which is a plugin.

    Raises:
        UsageError: a file does not exist.
    """
    plugins = Plugins()
    plugins.statuses.extend(_load_built_in(plugins))
    if installed:
        plugins.statuses.extend(_load_installed(plugins))
    for file in dict.fromkeys(file.resolve() for file in files):
        plugins.statuses.append(_load_file(plugins, file))
        plugins.files.append(file)
    return plugins


def _load_built_in(plugins: Plugins) -> Iterator[PluginStatus]:
    """Load the built-in components and cgkit's own entry points; record a status only for those that fail."""
    built_in = PluginStatus("built-in", BUILT_IN, version(BUILT_IN))
    plugins.registries.merge(_register(plugins.manager, components.plugin(), built_in))
    yield built_in
    for entry_point in entry_points_of(distribution(BUILT_IN)):
        if entry_point is not None:
            status = _load(plugins, entry_point.load, replace(built_in, name=entry_point.name))
            if status.state != "ok":
                yield status


def _load_installed(plugins: Plugins) -> Iterator[PluginStatus]:
    allowed, excluded = _read_choice()
    missing = excluded | (allowed or set())
    for status, entry_point in _find_installed():
        missing.discard(status.distribution)
        if status.distribution in excluded or (allowed is not None and status.distribution not in allowed):
            yield replace(status, state="blocked", reason="not allowed by CGKIT_PLUGINS")
        elif entry_point is None:
            yield replace(status, state="failed", reason="its entry_points.txt is malformed")
        else:
            yield _load(plugins, entry_point.load, status)
    for name in sorted(missing):
        yield PluginStatus("", name, "", "failed", "in CGKIT_PLUGINS, but not installed")


def _load_file(plugins: Plugins, file: Path) -> PluginStatus:
    if not file.is_file():
        raise UsageError(f"{file}: there is no such file")
    # The suffix keeps the file name distinct from the names of packages, which contain no dots here.
    status = PluginStatus(file.stem, file.name, "")
    if any(file.name == other.distribution for other in plugins.statuses):
        return replace(status, state="failed", reason="another plugin file has the same name")
    return _load(plugins, lambda: _import_file(file), status)


def _import_file(file: Path) -> ModuleType:
    name = "cgkit_plugin_" + re.sub(r"\W", "_", file.stem)
    specification = importlib.util.spec_from_file_location(name, file)
    if specification is None or specification.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # needed to pickle and inspect the classes and functions of the module
    specification.loader.exec_module(module)
    return module


def _create_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("cgkit")
    manager.add_hookspecs(hookspecs)
    return manager


def _read_choice() -> tuple[set[str] | None, set[str]]:
    """Return the packages that `CGKIT_PLUGINS` allows, or None for all, and those that it excludes."""
    text = os.environ.get("CGKIT_PLUGINS")
    if text is None:
        return None, set()
    names = [name.strip() for name in text.split(",") if name.strip()]
    excluded = {canonical_name(name.removeprefix("-")) for name in names if name.startswith("-")}
    allowed = {canonical_name(name) for name in names if not name.startswith("-")}
    return (None if excluded and not allowed else allowed), excluded


def _find_installed() -> list[tuple[PluginStatus, EntryPoint | None]]:
    """Return all installed plugins, in an order independent of `sys.path`; None for malformed entry points.

    (`importlib.metadata.entry_points` fails for all packages if the entry points of one are malformed.)
    """
    entries: dict[tuple[str, str], tuple[PluginStatus, EntryPoint | None]] = {}
    for installed in distributions():
        for entry_point in entry_points_of(installed):
            status = PluginStatus(entry_point.name if entry_point else "", *_read_provider(installed))
            if status.distribution == BUILT_IN:
                continue
            # If a package is on `sys.path` twice, keep the copy that Python imports, which is the first.
            entries.setdefault((status.distribution, status.name), (status, entry_point))
    return [entries[key] for key in sorted(entries)]


def entry_points_of(distribution: Distribution) -> Sequence[EntryPoint | None]:
    """Return the entry points of a package that are plugins; a single None if its entry points are malformed."""
    try:
        if f"[{GROUP}]" not in (distribution.read_text("entry_points.txt") or ""):
            return ()
    except ValueError:  # the file is not text
        return ()
    try:
        return tuple(distribution.entry_points.select(group=GROUP))
    except Exception:  # noqa: BLE001 - a malformed file makes the standard library raise various exceptions
        return (None,)


def _read_provider(distribution: Distribution) -> tuple[str, str]:
    try:
        return canonical_name(distribution.name), distribution.version
    except Exception:  # noqa: BLE001 - a package may be installed without any metadata
        return "unknown", ""


def _load(plugins: Plugins, load: Callable[[], Any], status: PluginStatus) -> PluginStatus:
    plugin = None
    try:
        # A plugin may print, but stdout is reserved for the output of the command.
        with contextlib.redirect_stdout(sys.stderr):
            plugin = load()
            if plugins.manager.is_registered(plugin):
                return replace(status, state="failed", reason="another entry point loads the same plugin")
            staged = _register(plugins.manager, plugin, status)
            status = replace(status, reads_since=str(getattr(plugin, "cgkit_reads_since", "")))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - one plugin must not affect the others
        if plugin is not None and plugins.manager.is_registered(plugin):
            plugins.manager.unregister(plugin)
        hint = install_hint(error, status.distribution)
        reason = "; ".join(filter(None, (describe_exception(error), hint)))
        return replace(status, state="failed", reason=reason, traceback=traceback_of(error))
    plugins.registries.merge(staged)
    return status


def _register(manager: pluggy.PluginManager, plugin: Any, status: PluginStatus) -> Registries:
    """Register the hooks of a plugin; return its components, so that the caller merges them only if nothing fails."""
    api = getattr(plugin, "cgkit_api", API)
    if api != API:
        raise RuntimeError(f"built for version {api} of the plugin contract; this cgkit has version {API}")
    manager.register(plugin, name=f"{status.distribution}:{status.name}")
    _check_hooks(manager, plugin)
    staged = Registries(status.distribution)
    _create_caller(manager, "cgkit_register", plugin)(registries=staged)
    return staged


def _create_caller(manager: pluggy.PluginManager, hook: str, plugin: Any) -> Callable[..., Any]:
    """Return a function that calls a hook of one plugin only."""
    others = [other for other in manager.get_plugins() if other is not plugin]
    return manager.subset_hook_caller(hook, remove_plugins=others)


def _check_hooks(manager: pluggy.PluginManager, plugin: Any) -> None:
    """Refuse unknown hooks, and hooks that are not marked with `hookimpl`; pluggy would silently accept both."""
    callers = manager.get_hookcallers(plugin) or []
    for caller in callers:
        if not caller.has_spec():
            hint = did_you_mean(caller.name, HOOKS) or f"available: {', '.join(HOOKS)}"
            raise AttributeError(f"unknown hook {caller.name!r}; {hint}")
    implemented = {caller.name for caller in callers}
    for name in HOOKS:
        if hasattr(plugin, name) and name not in implemented:
            raise TypeError(f"{name} is not a function marked with @cgkit.hookimpl")
    if not implemented:
        raise AttributeError(f"implements no hook; available: {', '.join(HOOKS)}")
