"""Descriptions of the types and bounds of options in words."""

from __future__ import annotations

import types
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types

from cgkit.contracts import CONTRACTS, kind_named

_PLAIN = {str: "text", Path: "path", type(None): "none", Any: "anything"}

_TEMPLATES: dict[type, str] = {
    annotated_types.Ge: ">= {0.ge}",
    annotated_types.Gt: "> {0.gt}",
    annotated_types.Le: "<= {0.le}",
    annotated_types.Lt: "< {0.lt}",
    annotated_types.MultipleOf: "a multiple of {0.multiple_of}",
    annotated_types.MinLen: "at least {0.min_length} of them",
    annotated_types.MaxLen: "at most {0.max_length} of them",
}


def type_name(annotation: Any) -> str:
    """Return the name of an annotation without its bounds: `int`, `path | none`, `"batch" | "none"`, `list of int`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(arguments[0])
    if origin is Literal:
        return " | ".join(f'"{value}"' if isinstance(value, str) else str(value).lower() for value in arguments)
    if origin in (Union, types.UnionType):
        return " | ".join(type_name(argument) for argument in arguments)
    if origin in (list, set, frozenset) or (origin is tuple and arguments[1:] == (...,)):
        return f"list of {type_name(arguments[0])}"
    if origin is tuple:
        return f"[{', '.join(type_name(argument) for argument in arguments)}]"
    if origin is dict:
        return f"table of {type_name(arguments[1])}"
    if isinstance(annotation, type) and annotation in CONTRACTS:
        return kind_named(CONTRACTS[annotation]).table.replace("_", " ")
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " | ".join(
            f'"{member.value}"' if isinstance(member.value, str) else str(member.value) for member in annotation
        )
    return _PLAIN.get(annotation) or str(getattr(annotation, "__name__", annotation))


def bounds(annotation: Any) -> str:
    """Return the bounds of an annotation, such as `>= 1, <= 512`; an empty string if there are none."""
    return ", ".join(dict.fromkeys(_list_bounds(annotation)))


def _list_bounds(annotation: Any) -> Iterator[str]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _list_bounds(arguments[0])
        for constraint in arguments[1:]:
            yield from _format_bound(constraint)
    elif origin in (Union, types.UnionType):
        for argument in arguments:
            yield from _list_bounds(argument)
    elif origin in (list, tuple, set, frozenset, dict):
        each = [bounds(argument) for argument in arguments if argument is not ...]
        if any(each):
            yield "each " + " / ".join(dict.fromkeys(text for text in each if text))


def _format_bound(constraint: Any) -> Iterator[str]:
    if template := _TEMPLATES.get(type(constraint)):
        yield template.format(constraint)
        return
    # `Interval`, `Len` and pydantic's `Field` contain several constraints.
    grouped = isinstance(constraint, annotated_types.GroupedMetadata)
    for part in constraint if grouped else getattr(constraint, "metadata", ()):
        yield from _format_bound(part)
