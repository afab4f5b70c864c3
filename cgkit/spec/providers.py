"""The packages that provide the components of a spec."""

from __future__ import annotations

from collections.abc import Collection

from cgkit.options import nested_uses
from cgkit.plugins import Plugins
from cgkit.registry import BUILT_IN
from cgkit.spec.model import ARRAYS, COMPONENT_TABLES, SIDES, Spec


def providers_used(spec: Spec, plugins: Plugins, *, without: Collection[str] = ()) -> dict[str, str]:
    """Return the packages other than cgkit that provide the components of a resolved spec.

    Args:
        spec: a resolved spec.
        plugins: the plugins with which the spec was resolved.
        without: the names of the tables whose components are left out.

    Returns:
        The version of each package, in the order of their names; a plugin in a single file has the version "".
    """
    providers: set[str] = set()
    for table, kind in {**COMPONENT_TABLES, **ARRAYS}.items():
        value = getattr(spec, table)
        if table in without:
            uses = []
        elif table in SIDES:
            uses = [getattr(value, side) for side in SIDES[table]]
        else:
            uses = list(value or ()) if table in ARRAYS else [value]
        for use in uses:
            component = plugins.registries[kind].choose(use.source if table == "data" else use.name)
            providers.add(component.provider)
            providers |= {nested.provider for _, nested, _ in nested_uses(component, use.options)}
    return {provider: plugins.version_of(provider) for provider in sorted(providers - {BUILT_IN})}
