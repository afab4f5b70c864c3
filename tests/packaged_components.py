"""Components of two packages that are not installed, for tests of which plugins a folder may be continued with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cgkit.plugins import Plugins, PluginStatus, load_plugins
from cgkit.registry import Registries

USING_BOTH: dict[str, Any] = {"generator": {"b2a": {"name": "linear"}}, "tracker": [{"name": "silent"}]}
"""A spec that uses a component of each package."""


def linear(in_channels: int, out_channels: int) -> None:
    """A generator that is never built."""


def silent(folder: Path) -> None:
    """A tracker that is never built."""


def provide(plugins: Plugins, distribution: str, version: str, **components: Any) -> None:
    """Add a package whose components have the names of their functions."""
    registries = Registries(distribution)
    for kind, component in components.items():
        registries[kind].add(component.__name__, component)
    plugins.registries.merge(registries)
    plugins.statuses.append(PluginStatus(distribution, distribution, version))


def load_with_two_packages() -> Plugins:
    """Load the built-in plugin, version 1.2 of a package with a generator, and version 0.3 of one with a tracker."""
    plugins = load_plugins(installed=False)
    provide(plugins, "cgkit-linear", "1.2", generators=linear)
    provide(plugins, "cgkit-silent", "0.3", trackers=silent)
    return plugins
