"""The types of options, as a person reads them."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types

_PLAIN = {str: "text", Path: "path", type(None): "none", Any: "anything"}


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
    return _PLAIN.get(annotation) or str(getattr(annotation, "__name__", annotation))


def bounds(annotation: Any) -> str:
    """Return the bounds of an annotation: `>= 1, <= 512`; empty where there are none."""
    return ", ".join(dict.fromkeys(_bounds(annotation)))


def _bounds(annotation: Any) -> Iterator[str]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _bounds(arguments[0])
        for constraint in arguments[1:]:
            yield from _bound(constraint)
    elif origin in (Union, types.UnionType):
        for argument in arguments:
            yield from _bounds(argument)
    elif origin in (list, tuple, set, frozenset, dict):
        each = [bounds(argument) for argument in arguments if argument is not ...]
        if any(each):
            yield "each " + " / ".join(dict.fromkeys(one for one in each if one))


def _bound(constraint: Any) -> Iterator[str]:
    if isinstance(constraint, annotated_types.GroupedMetadata):
        for part in constraint:
            yield from _bound(part)
        return
    match constraint:
        case annotated_types.Ge():
            yield f">= {constraint.ge}"
        case annotated_types.Gt():
            yield f"> {constraint.gt}"
        case annotated_types.Le():
            yield f"<= {constraint.le}"
        case annotated_types.Lt():
            yield f"< {constraint.lt}"
        case annotated_types.MultipleOf():
            yield f"a multiple of {constraint.multiple_of}"
        case annotated_types.MinLen():
            yield f"at least {constraint.min_length} of them"
        case annotated_types.MaxLen():
            yield f"at most {constraint.max_length} of them"
        case _:
            # A pydantic Field holds such constraints itself.
            for part in getattr(constraint, "metadata", ()):
                yield from _bound(part)
