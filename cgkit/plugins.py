"""Finding, loading and isolating plugins.

Each plugin is loaded in its own `try`: one that fails in any way is set aside whole, with its reason, and everything
else works. (pluggy's own loader isolates nothing and drops a second entry point of the same name in silence.)
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, Literal

import pluggy

from cgkit import components, hookspecs
from cgkit.errors import did_you_mean
from cgkit.registry import BUILT_IN, Registries, describe_exception

GROUP = "cgkit"
"""The entry-point group that plugins are found in."""

API = 1
"""The plugin contract's version. A plugin may declare `cgkit_api = 1`; one built for another is not loaded."""


@dataclass(frozen=True)
class PluginStatus:
    """What became of one plugin.

    Attributes:
        name: the entry point's name.
        distribution: the installed package that brought it.
        version: that package's version.
        state: `ok`, `failed` or `blocked`.
        reason: why it is not `ok`.
    """

    name: str
    distribution: str
    version: str
    state: Literal["ok", "failed", "blocked"] = "ok"
    reason: str = ""


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

    def version_of(self, provider: str) -> str:
        """Return the version of the distribution that provides components under that name."""
        return next((status.version for status in self.statuses if status.distribution == provider), "")


def load_plugins(*, installed: bool = True) -> Plugins:
    """Load the built-in plugin and, unless told otherwise, every installed one.

    The environment variable `CGKIT_PLUGINS` is an allow-list of distributions, separated by commas; set and empty,
    it allows none.
    """
    from cgkit import __version__

    plugins = Plugins()
    built_in = PluginStatus("built-in", BUILT_IN, __version__)
    plugins.registries.merge(_register(plugins.manager, components.plugin(), built_in))
    plugins.statuses.append(built_in)
    if installed:
        allowed = _allow_list()
        for entry_point, status in _installed():
            if allowed is not None and status.distribution not in allowed:
                plugins.statuses.append(_because(status, "blocked", "not among CGKIT_PLUGINS"))
            else:
                plugins.statuses.append(_load(plugins, entry_point, status))
    return plugins


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("cgkit")
    manager.add_hookspecs(hookspecs)
    return manager


def _allow_list() -> set[str] | None:
    names = os.environ.get("CGKIT_PLUGINS")
    return None if names is None else {name.strip() for name in names.split(",") if name.strip()}


def _installed() -> Iterator[tuple[EntryPoint, PluginStatus]]:
    """Yield the entry points of the group with their distributions, sorted, so that order never surprises."""
    found = []
    for entry_point in entry_points(group=GROUP):
        distribution = entry_point.dist
        name = distribution.name if distribution else "unknown"
        version = distribution.version if distribution else ""
        found.append((entry_point, PluginStatus(entry_point.name, name, version)))
    yield from sorted(found, key=lambda pair: (pair[1].distribution, pair[1].name))


def _load(plugins: Plugins, entry_point: EntryPoint, status: PluginStatus) -> PluginStatus:
    module = None
    try:
        # What a plugin prints while it loads must not end up in a command's output.
        with contextlib.redirect_stdout(sys.stderr):
            module = entry_point.load()
            staged = _register(plugins.manager, module, status)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin does, the others go on
        if module is not None and plugins.manager.is_registered(module):
            plugins.manager.unregister(module)
        return _because(status, "failed", describe_exception(error))
    plugins.registries.merge(staged)
    return status


def _register(manager: pluggy.PluginManager, module: ModuleType, status: PluginStatus) -> Registries:
    """Register one plugin's hooks; return the registries that it filled, not yet merged with the others'."""
    api = getattr(module, "cgkit_api", API)
    if api != API:
        raise RuntimeError(f"built for version {api} of the plugin contract, this is version {API}")
    manager.register(module, name=f"{status.distribution}:{status.name}")
    _refuse_unknown_hooks(manager, module)
    staged = Registries(status.distribution)
    others = [plugin for plugin in manager.get_plugins() if plugin is not module]
    manager.subset_hook_caller("cgkit_register", remove_plugins=others)(registries=staged)
    return staged


def _refuse_unknown_hooks(manager: pluggy.PluginManager, module: Any) -> None:
    for caller in manager.get_hookcallers(module) or []:
        if not caller.has_spec():
            known = [name for name in vars(hookspecs) if name.startswith("cgkit_")]
            hint = did_you_mean(caller.name, known) or f"there are: {', '.join(known)}"
            raise AttributeError(f"there is no hook {caller.name!r}; {hint}")


def _because(status: PluginStatus, state: Literal["failed", "blocked"], reason: str) -> PluginStatus:
    return PluginStatus(status.name, status.distribution, status.version, state, reason)
