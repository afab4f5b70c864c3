"""What a shell completes besides commands and options: kinds and names of components, and keys of a spec."""

from __future__ import annotations

import click


def complete_kind(context: click.Context, parameter: click.Parameter, start: str) -> list[str]:
    """Return the kinds of components that start with a text."""
    from cgkit.contracts import KINDS

    return [kind.table for kind in KINDS if kind.table.startswith(start.replace("-", "_"))]


def complete_component(context: click.Context, parameter: click.Parameter, start: str) -> list[str]:
    """Return the names of components of the kind given before, of installed plugins too, that start with a text."""
    from cgkit.contracts import kind_named
    from cgkit.plugins import load_plugins

    try:
        kind = kind_named(str(context.params.get("kind")).replace("-", "_"))
    except KeyError:
        return []
    registry = load_plugins().registries[kind.name]
    return [name for name in map(registry.reference, registry) if name.startswith(start)]


def complete_key(context: click.Context, parameter: click.Parameter, start: str) -> list[str]:
    """Return `table.key=` for the keys of a spec that start with a text."""
    from cgkit.spec.loading import list_keys

    return [f"{key}=" for key in list_keys() if key.startswith(start)]
