"""A component's options: its keyword-only parameters, their types, bounds, defaults and meaning.

Nothing is declared twice: types and bounds are the annotations, meanings are the `Args:` section of the docstring.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from cgkit.errors import CgkitError, PluginError, Problem, did_you_mean
from cgkit.registry import Component, describe_exception

REQUIRED = inspect.Parameter.empty
"""The default of an option that a spec must give."""


@dataclass(frozen=True)
class Option:
    """One keyword-only parameter of a component."""

    name: str
    annotation: Any
    default: Any
    meaning: str


def options_of(component: Component) -> dict[str, Option]:
    """Return a component's options by name, in the order of its signature.

    Raises:
        PluginError: the component cannot be imported, or its signature does not follow the contract.
    """
    target = component.load()
    try:
        signature = inspect.signature(target)
        function = target.__init__ if inspect.isclass(target) else target
        hints = get_type_hints(function, include_extras=True)
    except (TypeError, ValueError, NameError) as error:
        raise PluginError(f"the signature of {component} cannot be read: {describe_exception(error)}") from error
    meanings = _argument_docs(inspect.getdoc(target) or "")
    options: dict[str, Option] = {}
    positional = 0
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            if parameter.name not in hints:
                raise PluginError(f"{component}: option {parameter.name!r} has no type")
            options[parameter.name] = Option(
                parameter.name, hints[parameter.name], parameter.default, meanings.get(parameter.name, "")
            )
        elif parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise PluginError(f"{component}: takes {parameter}; name each option instead")
        else:
            positional += 1
    given = component.kind.given
    if positional != len(given):
        raise PluginError(
            f"{component}: takes {positional} positional arguments, but a {component.kind.table} is built with"
            f" ({', '.join(given)})",
            hint="put a * before the options",
        )
    return options


def check_options(component: Component, values: Mapping[str, Any], path: str) -> tuple[dict[str, Any], list[Problem]]:
    """Validate what a spec says about a component.

    Args:
        component: the component that the spec names.
        values: its options as JSON values.
        path: the dotted place of the component in the spec, for the problems.

    Returns:
        Every option with its value (defaults filled in) as JSON values, and the problems found.
    """
    options = options_of(component)
    try:
        valid = _model(options, component).model_validate_json(json.dumps(values))
    except ValidationError as error:
        return dict(values), [
            problem_from(detail, f"{path}." if path else "", options) for detail in error.errors(include_url=False)
        ]
    return valid.model_dump(mode="json", by_alias=True), []


def build(component: Component, *given: Any, options: Mapping[str, Any]) -> Any:
    """Build a component from checked options.

    Raises:
        ValueError: as the component raised it, where its options do not fit together.
        PluginError: it raised anything else.
    """
    known = options_of(component)
    valid = _model(known, component).model_validate_json(json.dumps(dict(options)))
    values = {name: getattr(valid, _field(name)) for name in known}
    try:
        return component.load()(*given, **values)
    except (CgkitError, ValueError, MemoryError):
        raise
    except (Exception, SystemExit) as error:  # a stranger's component may raise anything
        raise PluginError(f"{component} cannot be built: {describe_exception(error)}") from error


def paths_among(component: Component) -> set[str]:
    """Return the names of the options that are file system paths."""
    return {
        name
        for name, option in options_of(component).items()
        if option.annotation is Path or Path in getattr(option.annotation, "__args__", ())
    }


def problem_from(detail: Mapping[str, Any], prefix: str, known: Mapping[str, Any]) -> Problem:
    """Return a problem for one detail of a pydantic validation error.

    Args:
        detail: an element of `ValidationError.errors()`.
        prefix: what goes before the detail's own path.
        known: the names that would have been right at the place of an unknown one.
    """
    path = prefix + ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        hint = did_you_mean(str(detail["loc"][-1]), known) or (
            f"there are: {', '.join(known)}" if known else "there are no options"
        )
        return Problem(path, "unknown key", hint)
    if detail["type"] == "missing":
        return Problem(path, "is required")
    message = re.sub("^Input should", "should", str(detail["msg"])).removeprefix("Value error, ")
    given = repr(detail["input"])
    return Problem(path, f"{message}, got {given if len(given) <= 60 else given[:57] + '...'}")


def _model(options: Mapping[str, Option], component: Component) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for option in options.values():
        default = ... if option.default is REQUIRED else option.default
        fields[_field(option.name)] = (option.annotation, Field(default, alias=option.name))
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, arbitrary_types_allowed=False)
    try:
        return create_model("Options", __config__=config, **fields)
    except Exception as error:  # pydantic raises many kinds for a type that it cannot check
        raise PluginError(f"{component}: an option's type cannot be checked: {describe_exception(error)}") from error


def _field(option: str) -> str:
    """Pydantic reserves some field names (`schema`, `copy`); a prefix leaves every option name free."""
    return f"option_{option}"


def _argument_docs(docstring: str) -> dict[str, str]:
    """Return the sentences of a Google-style `Args:` section by argument name."""
    section = re.search(r"^(?:Args|Arguments|Options):\n((?:[ \t]+.*\n?|\n)+)", docstring, re.MULTILINE)
    if not section:
        return {}
    entries = re.findall(
        r"^[ \t]+(\w+)(?: \([^)]*\))?:((?:.*\n?(?![ \t]+\w+(?: \([^)]*\))?:))*.*)", section[1], re.MULTILINE
    )
    return {name: " ".join(text.split()) for name, text in entries}
