"""The JSON Schema of a spec, with the options of every component that is installed: for editors."""

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
"""The dialect that editors for TOML understand."""

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
    *((("objective", term), {"type": "number", "minimum": 0}) for term in ("adversarial", "cycle", "identity")),
)
"""What a spec's author may write in place of the full form, by place."""


def spec_schema(plugins: Plugins) -> Schema:
    """Return the JSON Schema (draft 7) of a spec file.

    A component that cannot be imported is left without options; whoever uses it is told why.
    """
    whole = Spec.model_json_schema()
    tables: Schema = _inlined(whole, whole["$defs"])["properties"]
    for (table, key), shorthand in _SHORTHANDS:
        full = tables[table]["properties"][key]
        alternatives = full.get("anyOf", [{name: part for name, part in full.items() if name != "description"}])
        text = {"description": full["description"]} if "description" in full else {}
        tables[table]["properties"][key] = {**text, "anyOf": [*alternatives, shorthand]}
    for table, kind in COMPONENT_TABLES.items():
        registry = plugins.registries[kind]
        sides = {side: _table(registry, {}) for side in SIDES.get(table, ())}
        tables[table] = _table(registry, tables[table]["properties"] | sides, sides=tuple(sides), may_be_silent=True)
    for table, kind in ARRAYS.items():
        tables[table]["items"] = _table(plugins.registries[kind], {})
    tables["extends"] = {"type": "string", "description": "Another spec file; what stands here wins over it."}
    return {
        "$schema": DIALECT,
        "title": "A spec of cgkit",
        "type": "object",
        "additionalProperties": False,
        "properties": tables,
    }


def _table(registry: Registry, own: Schema, *, sides: tuple[str, ...] = (), may_be_silent: bool = False) -> Schema:
    """Return the schema of a table that names a component and holds its options.

    Args:
        registry: the components that it may name.
        own: the keys that the table has besides.
        sides: those of them that are tables of the same form, which take over what they do not say.
        may_be_silent: whether the default component is meant where none is named; otherwise nothing is known then.
    """
    key = "source" if registry.kind.name == "sources" else "name"
    cases: list[Schema] = []
    for component in registry:
        names = sorted({registry.reference(component), component.qualified_name})
        this: Schema = {"properties": {key: {"enum": names}}, "required": [key]}
        if may_be_silent and component is registry.choose(None):
            this = {"anyOf": [this, {"not": {"required": [key]}}]}
        options, required = _options(component)
        closed = {
            "properties": {name: options.get(name, {}) for name in (*own, key, *options)},
            "required": required,
            "additionalProperties": False,
        }
        # What stands beside tables for the two sides may be an option of only one of them.
        alone = {"not": {"anyOf": [{"required": [side]} for side in sides]}}
        then = {"properties": options, "if": alone, "then": closed} if sides else closed
        cases.append({"if": this, "then": then})
    names = [name for one in registry for name in dict.fromkeys((registry.reference(one), one.qualified_name))]
    summaries = "\n".join(f"{registry.reference(component)}: {component.summary}" for component in registry)
    named = {"type": "string", "enum": names, "description": summaries}
    return {"type": "object", "properties": {**own, key: named}, "allOf": cases}


def _options(component: Component) -> tuple[Schema, list[str]]:
    try:
        options, schemas = options_of(component), json_schemas_of(component)
    except PluginError:
        return {}, []
    described = {
        name: {**_inlined(schemas[name], {}), "description": option.meaning} for name, option in options.items()
    }
    return described, [name for name, option in options.items() if option.default is REQUIRED]


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Return a schema in draft 7: without references, titles and nulls (TOML has none)."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema if part != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    plain = {
        {"prefixItems": "items"}.get(key, key): _inlined(part, definitions)
        for key, part in schema.items()
        if key not in ("$defs", "title") and not (key == "default" and part is None)
    }
    if isinstance(schema.get("properties"), dict):  # whose keys are names, which may be called anything
        plain["properties"] = {name: _inlined(part, definitions) for name, part in schema["properties"].items()}
    if len(plain.get("anyOf", ())) == 1:
        plain |= plain.pop("anyOf")[0]
    return plain
