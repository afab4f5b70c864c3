"""Merge the layers of a spec: later layers override earlier ones; replacing a component drops its options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cgkit.errors import PluginError, UnknownComponentError
from cgkit.registry import Registries, Registry
from cgkit.spec.images import Data
from cgkit.spec.model import COMPONENT_TABLES, SIDES
from cgkit.spec.paths import with_absolute_paths
from cgkit.spec.reading import Layer
from cgkit.spec.upgrades import upgraded

_BUDGETS = ("steps", "epochs")


def combine(layers: Sequence[Layer], registries: Registries) -> dict[str, Any]:
    """Merge layers: later layers override earlier ones, and all command-line overrides count as one layer."""
    values: dict[str, Any] = {}
    overrides: dict[str, Any] = {}
    for layer in layers:
        layer_values = with_absolute_paths(upgraded(layer), layers, registries)
        if layer.is_file:
            values = _override(values, layer_values, registries)
        else:
            overrides = _merge(overrides, layer_values)
    return _override(values, overrides, registries)


def _override(base: Mapping[str, Any], over: Mapping[str, Any], registries: Registries) -> dict[str, Any]:
    """Return `base` updated with `over`: tables are merged, all other values are replaced.

    If `over` names a different component from `base`, the options in `base` are dropped. If `over` sets the steps, the
    epochs in `base` are dropped, and vice versa.
    """
    merged = _merge(base, over)
    for table, kind in COMPONENT_TABLES.items():
        if _are_tables(base, over, table):
            merged[table] = _merge_component(base[table], over[table], registries[kind], table)
    if _are_tables(base, over, "train") and any(budget in over["train"] for budget in _BUDGETS):
        without = {key: value for key, value in base["train"].items() if key not in _BUDGETS}
        merged["train"] = _merge(without, over["train"])
    return merged


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        merged[key] = _merge(base[key], value) if _are_tables(base, over, key) else value
    return merged


def _merge_component(base: Mapping[str, Any], over: Mapping[str, Any], registry: Registry, table: str) -> Any:
    merged = _merge(base, over)
    key = "source" if table == "data" else "name"
    sides = SIDES.get(table, ())
    if not _is_same(registry, base.get(key), merged.get(key)):
        own_keys = Data.model_fields if table == "data" else sides
        merged = _merge({name: value for name, value in base.items() if name in own_keys}, over)
    for side in sides:
        before, after = base.get(side), merged.get(side)
        if isinstance(before, dict) and isinstance(after, dict):
            old, new = before.get("name") or base.get("name"), after.get("name") or merged.get("name")
            if not _is_same(registry, old, new):
                merged[side] = over.get(side, {})
    return merged


def _is_same(registry: Registry, first: Any, second: Any) -> bool:
    """Return whether two names refer to the same component; None refers to the default component."""
    if first == second:
        return True
    if not all(name is None or isinstance(name, str) for name in (first, second)):
        return False
    try:
        return registry.choose(first) is registry.choose(second)
    except (UnknownComponentError, PluginError):
        return False


def _are_tables(base: Mapping[str, Any], over: Mapping[str, Any], key: str) -> bool:
    return isinstance(base.get(key), dict) and isinstance(over.get(key), dict)
