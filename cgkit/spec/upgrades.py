"""Keys of a spec that have moved: specs, runs and models of earlier versions still work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cgkit.errors import warn_deprecated
from cgkit.spec.reading import Layer

MOVED = {("train", "betas"): ("optimizer", "betas")}
"""The former and the present table and key of each option that has moved."""


def upgrade(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a spec with every moved key at its present place."""
    upgraded: dict[str, Any] = dict(values)
    for (table, key), (new_table, new_key) in MOVED.items():
        old, new = upgraded.get(table), upgraded.get(new_table, {})
        if isinstance(old, Mapping) and key in old and isinstance(new, Mapping):
            upgraded[table] = {name: value for name, value in old.items() if name != key}
            upgraded[new_table] = {new_key: old[key], **new}
    return upgraded


def upgraded(layer: Layer) -> Layer:
    """Return a layer with every moved key at its present place; warn of each."""
    for (table, key), place in MOVED.items():
        if isinstance(layer.values.get(table), Mapping) and key in layer.values[table]:
            line = layer.lines.get(f"{table}.{key}")
            where = f"{layer.label}:{line}" if line else layer.label
            warn_deprecated(f"{where}: {table}.{key} is now {'.'.join(place)}")
    moved = {
        path.replace(".".join(old), ".".join(new), 1): line
        for path, line in layer.lines.items()
        for old, new in MOVED.items()
        if path == ".".join(old) or path.startswith(".".join(old) + ".")
    }
    return replace(layer, values=upgrade(layer.values), lines={**layer.lines, **moved})
