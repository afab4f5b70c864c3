"""Interpret the paths in a spec: relative to the folder of the file that contains them, with `~` expanded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cgkit.errors import CgkitError
from cgkit.options import options_of, paths_among
from cgkit.registry import Component, Registries, Registry
from cgkit.spec.model import ARRAYS, COMPONENT_TABLES, SIDES
from cgkit.spec.reading import Layer
from cgkit.spec.start import is_remote

Values = Mapping[str, Any]


def with_absolute_paths(layer: Layer, layers: Sequence[Layer], registries: Registries) -> dict[str, Any]:
    """Return the values of a layer with absolute paths among the options of components and in `start.from`.

    Args:
        layer: the layer.
        layers: all layers of the spec; another layer may name the component whose options this layer sets.
        registries: the components.
    """
    values = dict(layer.values)
    for table, kind in COMPONENT_TABLES.items():
        if isinstance(values.get(table), Mapping):
            named = [other.values[table] for other in layers if isinstance(other.values.get(table), Mapping)]
            components = list(_choose_all(registries[kind], named, SIDES.get(table, ())))
            values[table] = _resolve(values[table], components, layer.folder, SIDES.get(table, ()))
    for table, kind in ARRAYS.items():
        if isinstance(values.get(table), list):
            values[table] = [
                _resolve(use, list(_choose_all(registries[kind], [use])), layer.folder)
                if isinstance(use, dict)
                else use
                for use in values[table]
            ]
    if isinstance(values.get("start"), Mapping) and "from" in values["start"]:
        values["start"] = {**values["start"], "from": _locate(values["start"]["from"], layer.folder)}
    return values


def _choose_all(registry: Registry, tables: Sequence[Values], sides: Sequence[str] = ()) -> Iterator[Component]:
    """Yield the components that tables name; unknown names are reported when the spec is resolved."""
    key = "source" if registry.kind.name == "sources" else "name"
    names = [table[key] for table in tables if key in table][-1:] or [None]
    names += [table[side].get(key) for table in tables for side in sides if isinstance(table.get(side), Mapping)]
    for name in names:
        if name is None or isinstance(name, str):
            try:
                component = registry.choose(name)
                options_of(component)
            except CgkitError:
                continue
            yield component


def _resolve(
    values: Values, components: Sequence[Component], folder: Path, sides: Sequence[str] = ()
) -> dict[str, Any]:
    paths = {name for component in components for name in paths_among(component)}
    resolved = dict(values)
    for key, value in values.items():
        if key in paths:
            resolved[key] = _make_absolute(value, folder)
        elif isinstance(value, Mapping):
            inner = components if key in sides else [*_nested(components, key, value)]
            resolved[key] = _resolve(value, inner, folder) if inner else value
    return resolved


def _nested(components: Sequence[Component], option: str, value: Values) -> Iterator[Component]:
    """Yield the component that an option of one of the components names."""
    for component in components:
        known = options_of(component).get(option)
        if known is not None and known.kind is not None and component.registries is not None:
            yield from _choose_all(component.registries[known.kind], [value])


def _locate(value: Any, folder: Path) -> Any:
    """Make addresses absolute, except those of models on a server."""
    if isinstance(value, Mapping):
        return {key: _locate(address, folder) for key, address in value.items()}
    return value if isinstance(value, str) and is_remote(value) else _make_absolute(value, folder)


def _make_absolute(value: Any, folder: Path) -> Any:
    """Make a path, or each path in an array or a table, absolute."""
    if isinstance(value, list):
        return [_make_absolute(element, folder) for element in value]
    if isinstance(value, Mapping):
        return {key: _make_absolute(element, folder) for key, element in value.items()}
    if not isinstance(value, str) or not value or "\0" in value:
        return value
    path = folder / os.path.expanduser(value)  # noqa: PTH111 - unlike pathlib, never raises
    # A link stays a link, so that it may point elsewhere later; but `..` after a link is relative to its target.
    return os.path.realpath(path) if ".." in path.parts else os.path.abspath(path)  # noqa: PTH100 - the same
