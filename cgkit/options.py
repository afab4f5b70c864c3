"""The options of a component: its keyword-only parameters.

Types and bounds are read from the annotations, and descriptions from the `Args:` section of the docstring. An option
whose type is a contract names another component.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import sys
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.json_schema import PydanticJsonSchemaWarning
from pydantic_core import PydanticSerializationError, to_jsonable_python

from cgkit.contracts import CONTRACTS, Size
from cgkit.errors import (
    CgkitError,
    CheckpointError,
    DataError,
    PluginError,
    Problem,
    is_out_of_memory,
    problems_from,
    warn_deprecated,
)
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

    @property
    def kind(self) -> str | None:
        """The registry of the component that the option names; None if it has an ordinary value."""
        return next((CONTRACTS[part] for part in _list_types(self.annotation) if part in CONTRACTS), None)

    @property
    def is_path(self) -> bool:
        """Whether the option holds file paths."""
        return Path in _list_types(self.annotation)

    @property
    def default_json(self) -> Any:
        """The default as a JSON value; None if there is none."""
        return None if self.default is REQUIRED else to_jsonable_python(self.default, fallback=str)


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
    component: Component, values: Mapping[str, Any], *, suggested: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[Problem]]:
    """Validate the options that a spec sets for a component, and fill in the others.

    The options of nested components are not validated. A former name of an option is replaced, with a warning.

    Args:
        component: the component that the spec names.
        values: the options that the spec sets, as JSON values.
        suggested: values that the component recommends for options that the spec does not set.

    Returns:
        All options as JSON values, and the problems, with paths relative to the component's table.

    Raises:
        PluginError: the cause is the component instead of the spec; for example, a default is invalid.
    """
    options, reserved = options_of(component), component.kind.keys
    clashes = sorted(options.keys() & set(reserved))
    if clashes:
        raise PluginError(
            f"{component}: an option cannot be called {clashes[0]!r}, because its table in a spec has that key"
        )
    values = _rename_former(component, values)
    merged = {**(suggested or {}), **values}
    try:
        valid = _create_options_model(options, component).model_validate_json(json.dumps(merged))
        empty = [name for name, option in options.items() if option.is_path and merged.get(name) == ""]
        return valid.model_dump(mode="json", by_alias=True), [Problem(name, "should not be empty") for name in empty]
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
    for name, option in known.items():
        if option.kind is not None:
            values[name] = _build_nested(component, option.kind, values[name])
    try:
        # A component may print, but stdout is reserved for the output of the command.
        with contextlib.redirect_stdout(sys.stderr), wrong_paths_explained(component, options):
            return component.load()(*given, **values)
    except (CgkitError, ValueError, MemoryError):
        raise
    except (Exception, SystemExit) as error:  # a plugin's component may raise any exception
        if is_out_of_memory(error):
            raise
        hint = install_hint(error, component.provider)
        raise PluginError(f"{component} cannot be built: {describe_exception(error)}", hint=hint) from error


@contextlib.contextmanager
def wrong_paths_explained(component: Component, options: Mapping[str, Any]) -> Iterator[None]:
    """Turn an exception into a `DataError` if a path among the options does not exist or cannot be read.

    Args:
        component: the component that is called.
        options: its options as JSON values.
    """
    try:
        yield
    except CheckpointError as error:  # a file of weights that is not one
        raise DataError(error.message, hint=error.hint) from error
    except (CgkitError, MemoryError):
        raise
    except Exception as error:
        for name in sorted(paths_among(component) & options.keys()):
            for path in options[name] if isinstance(options[name], list) else [options[name]]:
                if isinstance(path, str) and (problem := _find_fault(Path(path), error)) is not None:
                    raise DataError(f"{component}: {problem}", hint=f"it is the option {name}") from error
        raise


def _find_fault(path: Path, error: Exception) -> str | None:
    """Return why a path among the options may have caused an exception; None if it did not."""
    if not os.path.lexists(path):
        return f"there is no file {path}"
    if not isinstance(error, OSError):
        return None
    is_named = error.filename is not None and Path(str(error.filename)).is_relative_to(path)
    return f"{path} cannot be read: {error.strerror or error}" if is_named or path.is_dir() else None


def nested_uses(component: Component, options: Mapping[str, Any]) -> Iterator[tuple[str, Component, dict[str, Any]]]:
    """Yield each component that options name: the path of the option, the component, and the component's own options.

    Raises:
        CgkitError: no component has the name.
    """
    for name, option in options_of(component).items():
        value = options.get(name)
        if option.kind is not None and isinstance(value, Mapping):
            nested, own = _choose_nested(component, option.kind, value)
            yield name, nested, own
            for path, inner, options_of_inner in nested_uses(nested, own):
                yield f"{name}.{path}", inner, options_of_inner


def json_schemas_of(component: Component) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON Schema of each option by name, without its description, and the definitions that they refer to.

    Raises:
        PluginError: the component cannot be imported, or its signature violates the contract.
    """
    model = _create_options_model(options_of(component), component)
    try:
        with warnings.catch_warnings(action="error", category=PydanticJsonSchemaWarning):
            schema = model.model_json_schema(by_alias=True)
    except Exception as error:  # pydantic raises various exceptions for types that JSON cannot express
        raise PluginError(f"{component}: an option has no JSON Schema: {describe_exception(error)}") from error
    return schema.get("properties", {}), schema.get("$defs", {})


def paths_among(component: Component) -> set[str]:
    """Return the names of the options that hold file paths, former names included."""
    paths = {name for name, option in options_of(component).items() if option.is_path}
    return paths | {former for former, name in _former_options(component).items() if name in paths}


def _list_types(annotation: Any) -> list[Any]:
    """Return the types that an annotation consists of, such as `Path` and `None` for `Path | None`."""
    parts = [part for argument in get_args(annotation) for part in _list_types(argument)]
    return [annotation, *parts] if isinstance(annotation, type) else parts


def _former_options(component: Component) -> dict[str, str]:
    return dict(getattr(component.load(), "former_options", {}))


def _rename_former(component: Component, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with their present names; warn of each former name."""
    renamed = dict(values)
    for former, name in _former_options(component).items():
        if former in renamed and name not in renamed:
            renamed[name] = renamed.pop(former)
            warn_deprecated(f"{component}: the option {former} is now called {name}")
    return renamed


def _choose_nested(component: Component, kind: str, value: Mapping[str, Any]) -> tuple[Component, dict[str, Any]]:
    if component.registries is None:
        raise PluginError(f"{component} names another component, so it must be registered")
    options = {name: part for name, part in value.items() if name != "name"}
    return component.registries[kind].choose(value.get("name")), options


def _build_nested(component: Component, kind: str, value: Mapping[str, Any] | None) -> Any:
    """Build the component that an option names, or return a function that does if it is built with arguments."""
    if value is None:
        return None
    nested, options = _choose_nested(component, kind, value)
    return partial(build, nested, options=options) if nested.kind.given else build(nested, options=options)


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
        annotation = option.annotation
        if option.kind is not None:
            is_optional = NoneType in _list_types(annotation)
            annotation = dict[str, Any] | None if is_optional else dict[str, Any]
        fields[_to_field(option.name)] = (annotation, Field(default, alias=option.name))
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
