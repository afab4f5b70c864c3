"""Laying one layer of values over another: what a later layer says wins, and takes along what depends on it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cgkit.errors import CgkitError, PluginError, UnknownComponentError
from cgkit.options import paths_among
from cgkit.registry import Registries, Registry
from cgkit.spec.images import Data
from cgkit.spec.model import COMPONENT_TABLES, SIDES
from cgkit.spec.reading import Layer

_BUDGETS = ("steps", "epochs")


def combine(layers: Sequence[Layer], registries: Registries) -> dict[str, Any]:
    """Return what several layers say together; later ones win, and all overrides count as one layer."""
    paths = _path_options(layers, registries)
    values: dict[str, Any] = {}
    overrides: dict[str, Any] = {}
    for layer in layers:
        placed = _place_paths(layer, paths)
        if layer.is_file:
            values = lay_over(values, placed, registries)
        else:
            overrides = _merge(overrides, placed)
    return lay_over(values, overrides, registries)


def lay_over(base: Mapping[str, Any], over: Mapping[str, Any], registries: Registries) -> dict[str, Any]:
    """Return `base` with what `over` says: tables are merged, everything else is replaced.

    Where `over` names another component than `base`, the options of the old one go; where it gives a budget in steps,
    one in epochs goes, and the other way round.
    """
    merged = _merge(base, over)
    for table, kind in COMPONENT_TABLES.items():
        if _both_tables(base, over, table):
            merged[table] = _merge_component(base[table], over[table], registries[kind], table)
    if _both_tables(base, over, "train") and any(budget in over["train"] for budget in _BUDGETS):
        without = {key: value for key, value in base["train"].items() if key not in _BUDGETS}
        merged["train"] = _merge(without, over["train"])
    return merged


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        merged[key] = _merge(base[key], value) if _both_tables(base, over, key) else value
    return merged


def _merge_component(base: Mapping[str, Any], over: Mapping[str, Any], registry: Registry, table: str) -> Any:
    merged = _merge(base, over)
    key = "source" if table == "data" else "name"
    sides = SIDES.get(table, ())
    if not _same(registry, base.get(key), merged.get(key)):
        own_keys = Data.model_fields if table == "data" else sides
        merged = _merge({name: value for name, value in base.items() if name in own_keys}, over)
    for side in sides:
        before, after = base.get(side), merged.get(side)
        if isinstance(before, dict) and isinstance(after, dict):
            old, new = before.get("name") or base.get("name"), after.get("name") or merged.get("name")
            if not _same(registry, old, new):
                merged[side] = over.get(side, {})
    return merged


def _same(registry: Registry, first: Any, second: Any) -> bool:
    """Return whether two names, either of which may be missing, mean the same component."""
    if first == second:
        return True
    if not all(name is None or isinstance(name, str) for name in (first, second)):
        return False
    try:
        return registry.choose(first) is registry.choose(second)
    except (UnknownComponentError, PluginError):
        return False


def _both_tables(base: Mapping[str, Any], over: Mapping[str, Any], key: str) -> bool:
    return isinstance(base.get(key), dict) and isinstance(over.get(key), dict)


def _path_options(layers: Iterable[Layer], registries: Registries) -> set[str]:
    """Return the names of those options of the data's source that are paths."""
    said = [layer.values["data"] for layer in layers if isinstance(layer.values.get("data"), dict)]
    sources = [data["source"] for data in said if "source" in data]
    name = sources[-1] if sources else None
    try:
        return paths_among(registries.sources.choose(name)) if name is None or isinstance(name, str) else set()
    except CgkitError:
        return set()  # whatever is wrong with the source is reported when the spec is resolved


def _place_paths(layer: Layer, paths: set[str]) -> Mapping[str, Any]:
    data = layer.values.get("data")
    if not isinstance(data, dict):
        return layer.values
    placed = {key: _placed(value, layer.folder) if key in paths else value for key, value in data.items()}
    return {**layer.values, "data": placed}


def _placed(value: Any, folder: Path) -> Any:
    """Return a path, or an array of paths, made absolute as seen from a folder."""
    if isinstance(value, list):
        return [_placed(element, folder) for element in value]
    if not isinstance(value, str) or "\0" in value:
        return value
    return os.path.realpath(folder / os.path.expanduser(value))  # noqa: PTH111 - unlike pathlib's, never raises
