"""Finding, loading and isolating plugins.

Each plugin is loaded in its own `try`: one that fails in any way is set aside whole, with its reason, and everything
else works. (pluggy's own loader isolates nothing and drops a second entry point of the same name in silence.)
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
from cgkit.errors import UsageError, did_you_mean
from cgkit.registry import BUILT_IN, Registries, describe_exception

GROUP = "cgkit"
"""The entry-point group that plugins are found in."""

API = 1
"""The plugin contract's version. A plugin may declare `cgkit_api = 1`; one built for another is not loaded."""

HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("cgkit_"))


@dataclass(frozen=True)
class PluginStatus:
    """What became of one plugin.

    Attributes:
        name: the entry point's name.
        distribution: the installed package that brought it, spelt as on PyPI: lower case, with hyphens; of a plugin
            in a single file, the file's name.
        version: that package's version.
        state: `ok`, `failed` or `blocked`.
        reason: why it is not `ok`.
    """

    name: str
    distribution: str
    version: str
    state: Literal["ok", "failed", "blocked"] = "ok"
    reason: str = ""

    @property
    def fault(self) -> str:
        """What is wrong, to follow the name in a message."""
        return f"{'is blocked' if self.state == 'blocked' else 'could not be loaded'}: {self.reason}"


@dataclass
class Plugins:
    """The loaded plugins: the registries that they filled, the hooks that they implement, and what failed."""

    registries: Registries = field(default_factory=Registries)
    statuses: list[PluginStatus] = field(default_factory=list)
    manager: pluggy.PluginManager = field(default_factory=lambda: _new_manager())

    @property
    def failed(self) -> list[PluginStatus]:
        """The plugins that could not be loaded."""
        return [status for status in self.statuses if status.state == "failed"]

    @property
    def blocked(self) -> list[PluginStatus]:
        """The plugins that the user did not want loaded."""
        return [status for status in self.statuses if status.state == "blocked"]

    def version_of(self, provider: str) -> str:
        """Return the version of the distribution that provides components under that name."""
        return next((status.version for status in self.statuses if status.distribution == provider), "")

    def implementations(self, hook: str) -> Iterator[tuple[str, Callable[..., Any]]]:
        """Yield the name of each plugin that implements a hook, and what calls it alone, in pluggy's order.

        That is the last loaded first, but for those that are marked `tryfirst` or `trylast`.
        """
        for implementation in reversed(getattr(self.manager.hook, hook).get_hookimpls()):
            yield implementation.plugin_name, _caller_of(self.manager, hook, implementation.plugin)


def load_plugins(*, installed: bool = True, files: Sequence[Path] = ()) -> Plugins:
    """Load the built-in plugin, every installed one unless told otherwise, and those that are single files.

    The environment variable `CGKIT_PLUGINS` is an allow-list of distributions, separated by commas; set and empty,
    it allows none.

    Args:
        installed: whether to load the plugins that are installed packages.
        files: Python files, each a plugin without a package.

    Raises:
        UsageError: one of the files is not there.
    """
    plugins = Plugins()
    plugins.statuses.extend(_load_built_in(plugins))
    if installed:
        plugins.statuses.extend(_load_installed(plugins))
    for file in dict.fromkeys(file.resolve() for file in files):
        plugins.statuses.append(_load_file(plugins, file))
    return plugins


def _load_built_in(plugins: Plugins) -> Iterator[PluginStatus]:
    """Load the built-in components and our own entry points; those that load are one plugin, `built-in`."""
    built_in = PluginStatus("built-in", BUILT_IN, version(BUILT_IN))
    plugins.registries.merge(_register(plugins.manager, components.plugin(), built_in))
    yield built_in
    for entry_point in entry_points_of(distribution(BUILT_IN)):
        if entry_point is not None:
            status = _load(plugins, entry_point.load, replace(built_in, name=entry_point.name))
            if status.state != "ok":
                yield status


def _load_installed(plugins: Plugins) -> Iterator[PluginStatus]:
    allowed = _allow_list()
    absent = set(allowed or ())
    for status, entry_point in _installed():
        absent.discard(status.distribution)
        if allowed is not None and status.distribution not in allowed:
            yield replace(status, state="blocked", reason="not among CGKIT_PLUGINS")
        elif entry_point is None:
            yield replace(status, state="failed", reason="its entry_points.txt is malformed")
        else:
            yield _load(plugins, entry_point.load, status)
    for name in sorted(absent):
        yield PluginStatus("", name, "", "failed", "named in CGKIT_PLUGINS, but no such plugin is installed")


def _load_file(plugins: Plugins, file: Path) -> PluginStatus:
    if not file.is_file():
        raise UsageError(f"{file}: there is no such plugin")
    # The suffix tells it from a distribution: none is called so.
    status = PluginStatus(file.stem, file.name, "")
    if any(file.name == other.distribution for other in plugins.statuses):
        return replace(status, state="failed", reason="another plugin file is called so")
    return _load(plugins, lambda: _module_of(file), status)


def _module_of(file: Path) -> ModuleType:
    name = "cgkit_plugin_" + re.sub(r"\W", "_", file.stem)
    specification = importlib.util.spec_from_file_location(name, file)
    if specification is None or specification.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # so that what it defines can be pickled and inspected
    specification.loader.exec_module(module)
    return module


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("cgkit")
    manager.add_hookspecs(hookspecs)
    return manager


def _allow_list() -> set[str] | None:
    names = os.environ.get("CGKIT_PLUGINS")
    return None if names is None else {_canonical(name.strip()) for name in names.split(",") if name.strip()}


def _installed() -> list[tuple[PluginStatus, EntryPoint | None]]:
    """Return the entry points of the group, sorted, so that order never surprises; None stands for malformed ones.

    (`importlib.metadata.entry_points` would fail as a whole on the malformed file of any one package.)
    """
    found: dict[tuple[str, str], tuple[PluginStatus, EntryPoint | None]] = {}
    for installed in distributions():
        for entry_point in entry_points_of(installed):
            status = PluginStatus(entry_point.name if entry_point else "", *_provider(installed))
            if status.distribution == BUILT_IN:
                continue
            # A package that lies on the path twice is imported from where it lies first.
            found.setdefault((status.distribution, status.name), (status, entry_point))
    return [found[key] for key in sorted(found)]


def entry_points_of(distribution: Distribution) -> Sequence[EntryPoint | None]:
    """Return the entry points of an installed package that are plugins; None in place of malformed ones."""
    try:
        if f"[{GROUP}]" not in (distribution.read_text("entry_points.txt") or ""):
            return ()
    except ValueError:  # not even text
        return ()
    try:
        return tuple(distribution.entry_points.select(group=GROUP))
    except Exception:  # noqa: BLE001 - the standard library trips over a malformed file in many ways
        return (None,)


def _provider(distribution: Distribution) -> tuple[str, str]:
    try:
        return _canonical(distribution.name), distribution.version
    except Exception:  # noqa: BLE001 - a package may be installed without any metadata
        return "unknown", ""


def _canonical(distribution: str) -> str:
    """Return a distribution's name as PyPI spells it (PEP 503): `Cgkit_Hinge` is `cgkit-hinge`."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _load(plugins: Plugins, load: Callable[[], Any], status: PluginStatus) -> PluginStatus:
    plugin = None
    try:
        # What a plugin prints while it loads must not end up in a command's output.
        with contextlib.redirect_stdout(sys.stderr):
            plugin = load()
            if plugins.manager.is_registered(plugin):
                return replace(status, state="failed", reason="another entry point loads the same plugin")
            staged = _register(plugins.manager, plugin, status)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a plugin does, the others go on
        if plugin is not None and plugins.manager.is_registered(plugin):
            plugins.manager.unregister(plugin)
        return replace(status, state="failed", reason=describe_exception(error))
    plugins.registries.merge(staged)
    return status


def _register(manager: pluggy.PluginManager, plugin: Any, status: PluginStatus) -> Registries:
    """Register one plugin's hooks; return the registries that it filled, not yet merged with the others'."""
    api = getattr(plugin, "cgkit_api", API)
    if api != API:
        raise RuntimeError(f"built for version {api} of the plugin contract, this is version {API}")
    manager.register(plugin, name=f"{status.distribution}:{status.name}")
    _refuse_unheard_hooks(manager, plugin)
    staged = Registries(status.distribution)
    _caller_of(manager, "cgkit_register", plugin)(registries=staged)
    return staged


def _caller_of(manager: pluggy.PluginManager, hook: str, plugin: Any) -> Callable[..., Any]:
    """Return what calls a hook of one plugin alone."""
    others = [other for other in manager.get_plugins() if other is not plugin]
    return manager.subset_hook_caller(hook, remove_plugins=others)


def _refuse_unheard_hooks(manager: pluggy.PluginManager, plugin: Any) -> None:
    """Refuse what pluggy takes in silence: a hook that there is not, and one that is not marked as such."""
    callers = manager.get_hookcallers(plugin) or []
    for caller in callers:
        if not caller.has_spec():
            hint = did_you_mean(caller.name, HOOKS) or f"there are: {', '.join(HOOKS)}"
            raise AttributeError(f"there is no hook {caller.name!r}; {hint}")
    heard = {caller.name for caller in callers}
    for name in HOOKS:
        if hasattr(plugin, name) and name not in heard:
            raise TypeError(f"{name} is not a function marked with @cgkit.hookimpl")
    if not heard:
        raise AttributeError(f"implements no hook; there are: {', '.join(HOOKS)}")
