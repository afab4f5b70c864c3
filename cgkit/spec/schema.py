"""The JSON Schema of a spec for editors, with the options of all installed components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from cgkit.errors import PluginError
from cgkit.options import REQUIRED, json_schemas_of, options_of
from cgkit.plugins import Plugins
from cgkit.registry import Component, Registry
from cgkit.spec.images import Depth
from cgkit.spec.model import ARRAYS, COMPONENT_TABLES, SIDES, Spec

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The JSON Schema version that TOML editors support."""

Schema = dict[str, Any]

_SHORTHANDS: tuple[tuple[tuple[str, str], Schema], ...] = (
    (("data", "size"), {"type": "integer", "minimum": 1}),
    (("data", "channels"), {"type": "integer", "minimum": 1}),
    (
        ("data", "channels"),
        {"type": "object", "required": ["a", "b"], "additionalProperties": False}
        | {"properties": {side: {"type": "integer", "minimum": 1} for side in "ab"}},
    ),
    (
        ("data", "range"),
        {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    ),
    (("data", "depth"), {"type": "string", "enum": list(get_args(Depth))}),
    (("start", "from"), {"type": "string", "minLength": 1}),
    *((("objective", term), {"type": "number", "minimum": 0}) for term in ("adversarial", "cycle", "identity")),
)
"""Schemas of the short forms that a spec may use instead of the full form."""


def spec_schema(plugins: Plugins) -> Schema:
    """Return the JSON Schema (draft 7) of a spec file.

    A component that cannot be imported has no options in the schema; the reason is reported when a spec
    uses the component.
    """
    whole = Spec.model_json_schema()
    tables: Schema = _to_draft7(whole, whole["$defs"])["properties"]
    for (table, key), shorthand in _SHORTHANDS:
        full = tables[table]["properties"][key]
        alternatives = full.get("anyOf", [{name: part for name, part in full.items() if name != "description"}])
        text = {"description": full["description"]} if "description" in full else {}
        tables[table]["properties"][key] = {**text, "anyOf": [*alternatives, shorthand]}
    for table, kind in COMPONENT_TABLES.items():
        registry = plugins.registries[kind]
        sides = {side: _component_table(registry, {}) for side in SIDES.get(table, ())}
        tables[table] = _component_table(
            registry, tables[table]["properties"] | sides, sides=tuple(sides), name_is_optional=True
        )
    for table, kind in ARRAYS.items():
        own = {key: part for key, part in tables[table]["items"]["properties"].items() if key != "name"}
        tables[table]["items"] = _component_table(plugins.registries[kind], own)
    weight = tables["term"]["items"]["properties"]
    weight["weight"] = {"anyOf": [weight["weight"], {"type": "number", "minimum": 0}]}
    tables["plugins"] = {
        "type": "object",
        "description": tables["plugins"]["description"],
        "properties": {component.provider: _settings_table(component) for component in plugins.settings()},
        "additionalProperties": False,
    }
    tables["extends"] = {"type": "string", "description": "A spec file to start from; this file overrides its values."}
    return {
        "$schema": DIALECT,
        "title": "A spec of cgkit",
        "type": "object",
        "additionalProperties": False,
        "properties": tables,
        # Not part of a spec: the exporters that `cgkit export --format` names, with their options.
        "definitions": {"exporter": _component_table(plugins.registries.exporters, {})},
    }


def _component_table(
    registry: Registry, own: Schema, *, sides: tuple[str, ...] = (), name_is_optional: bool = False
) -> Schema:
    """Return the schema of a table with the name and options of a component.

    Args:
        registry: the components that the table may name.
        own: schemas of the table's other keys.
        sides: the keys in `own` that are inner tables of the same form and inherit the values of the outer table.
        name_is_optional: whether a table without a name stands for the default component.
    """
    key = "source" if registry.kind.name == "sources" else "name"
    cases: list[Schema] = []
    for component in registry:
        names = sorted({registry.reference(component), component.qualified_name})
        selects: Schema = {"properties": {key: {"enum": names}}, "required": [key]}
        if name_is_optional and component is registry.choose(None):
            selects = {"anyOf": [selects, {"not": {"required": [key]}}]}
        options, required = _option_schemas(component)
        closed = {
            "properties": {name: options.get(name, {}) for name in (*own, key, *options)},
            "required": required,
            "additionalProperties": False,
        }
        # If there are inner tables, a key may be an option of only one of their components, so accept any key.
        alone = {"not": {"anyOf": [{"required": [side]} for side in sides]}}
        then = {"properties": options, "if": alone, "then": closed} if sides else closed
        cases.append({"if": selects, "then": then})
    names = [
        name
        for component in registry
        for name in dict.fromkeys((registry.reference(component), component.qualified_name))
    ]
    summaries = "\n".join(f"{registry.reference(component)}: {component.summary}" for component in registry)
    name_schema: Schema = {"type": "string", "description": summaries, **({"enum": names} if names else {})}
    return {"type": "object", "properties": {**own, key: name_schema}, **({"allOf": cases} if cases else {})}


def _settings_table(component: Component) -> Schema:
    options, required = _option_schemas(component)
    return {"type": "object", "properties": options, "required": required, "additionalProperties": False}


def _option_schemas(component: Component) -> tuple[Schema, list[str]]:
    try:
        options, (schemas, definitions) = options_of(component), json_schemas_of(component)
    except PluginError:
        return {}, []
    described = {
        name: {**_to_draft7(schemas[name], definitions), "description": option.meaning}
        for name, option in options.items()
    }
    for name, option in options.items():
        if option.kind is not None and component.registries is not None:
            names = [component.registries[option.kind].reference(other) for other in component.registries[option.kind]]
            described[name]["properties"] = {"name": {"type": "string", "enum": names}}
    return described, [name for name, option in options.items() if option.default is REQUIRED]


def _to_draft7(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Convert a schema to draft 7, without references, titles or nulls (TOML has no null)."""
    if isinstance(schema, list):
        return [_to_draft7(part, definitions) for part in schema if part != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _to_draft7(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    plain = {
        {"prefixItems": "items"}.get(key, key): _to_draft7(part, definitions)
        for key, part in schema.items()
        if key not in ("$defs", "title") and not (key == "default" and part is None)
    }
    if isinstance(schema.get("properties"), dict):  # keep keys like "title", which are names here
        plain["properties"] = {name: _to_draft7(part, definitions) for name, part in schema["properties"].items()}
    if len(plain.get("anyOf", ())) == 1:
        plain |= plain.pop("anyOf")[0]
    return plain
