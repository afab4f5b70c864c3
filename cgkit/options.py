"""The options of a component: its keyword-only parameters.

Types and bounds are read from the annotations, and descriptions from the `Args:` section of the docstring.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticSerializationError

from cgkit.contracts import Size
from cgkit.errors import CgkitError, PluginError, Problem, problems_from
from cgkit.packages import install_hint
from cgkit.registry import Component, describe_exception

REQUIRED = inspect.Parameter.empty
"""The default of an option that a spec must set."""

_PREFIX = "option_"
"""Prefix of pydantic's field names, so that options may have names that pydantic reserves (`schema`, `copy`)."""


@dataclass(frozen=True)
class Option:
    """A keyword-only parameter of a component; `meaning` is its description."""

    name: str
    annotation: Any
    default: Any
    meaning: str


def options_of(component: Component) -> dict[str, Option]:
    """Return the options of a component by name, in the order of its signature.

    Raises:
        PluginError: the component cannot be imported, or its signature violates the contract.
    """
    target, definition = component.load(), component.definition
    if inspect.isclass(definition):
        function = definition.__call__ if isinstance(target, definition) else definition.__init__
    else:
        function = definition
    try:
        parameters: Iterable[inspect.Parameter] = inspect.signature(target).parameters.values()
        hints = get_type_hints(function, include_extras=True)
    except Exception as error:  # evaluating an annotation may raise any exception
        raise PluginError(f"the signature of {component} cannot be read: {describe_exception(error)}") from error
    if "torch" in sys.modules and function is sys.modules["torch"].nn.Module.__init__:
        parameters = ()  # nn.Module's own __init__ accepts *args and **kwargs, but no argument is required
    _check_signature(component, parameters)
    meanings = {**_parse_args_section(function.__doc__), **_parse_args_section(definition.__doc__)}
    options: dict[str, Option] = {}
    for parameter in parameters:
        name = parameter.name
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            if name not in hints:
                raise PluginError(f"{component}: option {name!r} has no type")
            options[name] = Option(name, hints[name], parameter.default, meanings.get(name, ""))
    return options


def check_options(
    component: Component,
    values: Mapping[str, Any],
    *,
    suggested: Mapping[str, Any] | None = None,
    reserved: Iterable[str] = (),
) -> tuple[dict[str, Any], list[Problem]]:
    """Validate the options that a spec sets for a component, and fill in the others.

    Args:
        component: the component that the spec names.
        values: the options that the spec sets, as JSON values.
        suggested: values that the component recommends for options that the spec does not set.
        reserved: the other keys of the component's table in a spec, which cannot be names of options.

    Returns:
        All options as JSON values, and the problems, with paths relative to the component's table.

    Raises:
        PluginError: the cause is the component instead of the spec; for example, a default is invalid.
    """
    options = options_of(component)
    clashes = sorted(options.keys() & set(reserved))
    if clashes:
        raise PluginError(
            f"{component}: an option cannot be called {clashes[0]!r}, because its table in a spec has that key"
        )
    merged = {**(suggested or {}), **values}
    try:
        valid = _create_options_model(options, component).model_validate_json(json.dumps(merged))
        return valid.model_dump(mode="json", by_alias=True), []
    except PydanticSerializationError as error:
        raise PluginError(f"{component}: an option has no JSON value: {describe_exception(error)}") from error
    except ValidationError as error:
        # Pydantic's errors name a given value by its alias, but a default by its field name.
        by_location = {**{_to_field(option.name): option.default for option in options.values()}, **merged}
        problems = problems_from(error, by_location, lambda place: (*reserved, *options) if len(place) == 1 else ())
    for place, problem in problems.items():
        if place and place[0] not in values and problem.message != "is required":
            name = problem.path.removeprefix(_PREFIX)
            raise PluginError(f"{component}: its default or recommended value of option {name} {problem.message}")
    return merged, list(problems.values())


def recommended_options(component: Component, size: Size) -> dict[str, Any]:
    """Return the options that a component recommends for images of `size`, or an empty dictionary.

    Raises:
        PluginError: the component cannot be imported, or its `recommended` raised an exception.
    """
    recommended = getattr(component.definition, "recommended", None)
    try:
        return dict(recommended(size)) if recommended is not None else {}
    except Exception as error:  # a plugin's function may raise any exception
        raise PluginError(f"{component} cannot recommend options: {describe_exception(error)}") from error


def build(component: Component, *given: Any, options: Mapping[str, Any]) -> Any:
    """Build a component with validated options.

    Raises:
        ValueError: raised by the component if its options are incompatible.
        PluginError: the component raised an exception other than ValueError, MemoryError or a `CgkitError`.
    """
    known = options_of(component)
    valid = _create_options_model(known, component).model_validate_json(json.dumps(dict(options)))
    values = {name: getattr(valid, _to_field(name)) for name in known}
    try:
        # A component may print, but stdout is reserved for the output of the command.
        with contextlib.redirect_stdout(sys.stderr):
            return component.load()(*given, **values)
    except (CgkitError, ValueError, MemoryError):
        raise
    except (Exception, SystemExit) as error:  # a plugin's component may raise any exception
        hint = install_hint(error, component.provider)
        raise PluginError(f"{component} cannot be built: {describe_exception(error)}", hint=hint) from error


def json_schemas_of(component: Component) -> dict[str, Any]:
    """Return the JSON Schema of each option by name, without its description.

    Raises:
        PluginError: the component cannot be imported, or its signature violates the contract.
    """
    schema = _create_options_model(options_of(component), component).model_json_schema(by_alias=True)
    properties: dict[str, Any] = schema.get("properties", {})
    return properties


def paths_among(component: Component) -> set[str]:
    """Return the names of the options that hold file paths."""
    return {name for name, option in options_of(component).items() if _mentions_path(option.annotation)}


def _mentions_path(annotation: Any) -> bool:
    return annotation is Path or any(_mentions_path(argument) for argument in get_args(annotation))


def _check_signature(component: Component, parameters: Iterable[inspect.Parameter]) -> None:
    positional = 0
    for parameter in parameters:
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise PluginError(
                f"{component}: takes {str(parameter).partition(':')[0]}",
                hint="give it an __init__ that names each option",
            )
        positional += parameter.kind is not inspect.Parameter.KEYWORD_ONLY
    given = component.kind.given
    if positional != len(given):
        raise PluginError(
            f"{component}: takes {positional} positional arguments, but a {component.kind.table} is built with"
            f" ({', '.join(given)})",
            hint="put a * before the options",
        )


def _create_options_model(options: Mapping[str, Option], component: Component) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for option in options.values():
        default = ... if option.default is REQUIRED else option.default
        fields[_to_field(option.name)] = (option.annotation, Field(default, alias=option.name))
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)
    try:
        return create_model("Options", __config__=config, **fields)
    except Exception as error:  # pydantic raises various exceptions for unsupported types
        raise PluginError(
            f"{component}: the type of an option is not supported: {describe_exception(error)}"
        ) from error


def _to_field(option: str) -> str:
    return f"{_PREFIX}{option}"


def _parse_args_section(docstring: str | None) -> dict[str, str]:
    """Return the descriptions in a Google-style `Args:` section by argument name."""
    section = re.search(
        r"^(?:Args|Arguments):[ \t]*\n((?:[ \t]+.*\n|[ \t]*\n)+)", inspect.cleandoc(docstring or "") + "\n", re.M
    )
    meanings: dict[str, list[str]] = {}
    name = ""
    for line in textwrap.dedent(section[1]).splitlines() if section else ():
        entry = re.match(r"(\w+)(?: \([^)]*\))?:(.*)", line)
        if entry:
            name = entry[1]
            meanings[name] = []
        if name:
            meanings[name] += (entry[2] if entry else line).split()
    return {name: " ".join(words) for name, words in meanings.items()}
