"""Which distributions the components of a spec come from."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from cgkit.plugins import Plugins
from cgkit.registry import BUILT_IN, Component
from cgkit.spec.model import ARRAYS, COMPONENT_TABLES, SIDES, Spec


def providers_used(spec: Spec, plugins: Plugins, *, without: Collection[str] = ()) -> dict[str, str]:
    """Return the distributions other than cgkit that a resolved spec's components come from, with their versions.

    Args:
        spec: a resolved spec.
        plugins: the plugins that it was resolved against.
        without: tables that do not count.

    Returns:
        The versions by name, sorted; a plugin that is a single file has the version "".
    """
    providers = {component.provider for table, component in _components(spec, plugins) if table not in without}
    return {provider: plugins.version_of(provider) for provider in sorted(providers - {BUILT_IN})}


def _components(spec: Spec, plugins: Plugins) -> Iterator[tuple[str, Component]]:
    """Yield every component of a spec with the table that names it."""
    registries = plugins.registries
    for table, kind in COMPONENT_TABLES.items():
        use = getattr(spec, table)
        for one in [getattr(use, side) for side in SIDES[table]] if table in SIDES else [use]:
            yield table, registries[kind].choose(one.source if table == "data" else one.name)
    for table, kind in ARRAYS.items():
        for one in getattr(spec, table) or ():
            yield table, registries[kind].choose(one.name)
