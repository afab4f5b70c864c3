"""Load a spec from a file and command-line overrides and resolve it, or report all of its problems at once."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from cgkit.errors import MAX_PROBLEMS, Place, Problem, SpecError, dotted, problems_from
from cgkit.plugins import Plugins
from cgkit.spec.merging import combine
from cgkit.spec.model import ARRAYS, Spec
from cgkit.spec.positions import MAX_DEPTH
from cgkit.spec.reading import Layer, read_layer, read_override, read_values
from cgkit.spec.resolution import contradictions, resolve
from cgkit.spec.tables import Table
from cgkit.spec.upgrades import upgrade

MAX_INTEGER = 2**53
"""The largest integer allowed in a spec, since some JSON readers round larger ones."""

_INVALID_TEXT = re.compile(r"[\0\ud800-\udfff]")


def load_spec(
    file: Path | str, plugins: Plugins, overrides: Sequence[str] = (), *, made_with: Mapping[str, str] | None = None
) -> Spec:
    """Read, validate and resolve a spec.

    Args:
        file: a TOML file. It may extend one other file: `extends = "other.toml"`.
        plugins: the loaded plugins, whose components the spec may name.
        overrides: texts of the form `path=value`, which override values of the file.
        made_with: see `resolve_spec`.

    Returns:
        The spec with every component named and every option filled in.

    Raises:
        SpecError: the spec cannot be read or is invalid; the error lists all problems.
    """
    layers = read_layers(Path(file), overrides)
    return resolve_spec(combine(layers, plugins.registries), plugins, layers, made_with=made_with)


def read_layers(source: Path | Mapping[str, Any] | Spec, overrides: Sequence[str] = ()) -> list[Layer]:
    """Read a file, the file that it extends, and overrides; later layers override earlier ones.

    Args:
        source: the file; or tables and keys, or a spec, which are read as if they came from a file in the working
            folder.
        overrides: texts of the form `path=value`.

    Raises:
        SpecError: a file or an override cannot be read.
    """
    if isinstance(source, Path):
        files = _read_files(source)
    else:
        files = [read_values(source.to_json() if isinstance(source, Spec) else source)]
    return [*files, *(read_override(text) for text in overrides)]


def resolve_spec(
    values: Mapping[str, Any],
    plugins: Plugins,
    layers: Sequence[Layer] = (),
    *,
    made_with: Mapping[str, str] | None = None,
) -> Spec:
    """Validate and resolve a spec given as plain values.

    Resolving is idempotent: the values of a resolved spec resolve to the same spec.

    Args:
        values: the tables and keys of the spec.
        plugins: the loaded plugins, whose components the spec may name.
        layers: the files and overrides that the values come from.
        made_with: the packages that an earlier run of this spec was made with, and their versions. The problem of an
            unknown component names the missing packages. If several packages provide a component now, the one in
            `made_with` is used.

    Raises:
        SpecError: the spec is invalid; the error lists all problems.
    """
    if not isinstance(values, Mapping):
        raise SpecError(located([Problem("", "should be a table")], layers))
    spec, problems = _validate(upgrade(values))
    resolved, unresolved = resolve(spec, plugins, made_with)
    if not problems:
        unresolved += contradictions(spec)
    if problems or unresolved:
        raise SpecError(located([*problems, *unresolved], layers))
    return resolved


def located(problems: Iterable[Problem], layers: Sequence[Layer]) -> list[Problem]:
    """Return the problems with the file and line of each added, sorted by layer and line."""
    if not layers:
        return list(problems)
    main = max(index for index, layer in enumerate(layers) if layer.is_file)
    entries = []
    for problem in problems:
        nearest = [layer.nearest(problem.path) for layer in layers]
        # Choose the layer with the longest matching path; on a tie, the last such layer, since it overrides the others;
        # without any match, the last file.
        index = max(range(len(layers)), key=lambda number: (len(nearest[number]), number)) if any(nearest) else main
        line = layers[index].lines.get(nearest[index])
        entries.append((index, line or 0, replace(problem, file=layers[index].label, line=line)))
    return [problem for _, _, problem in sorted(entries, key=lambda entry: entry[:2])]


def _read_files(file: Path) -> list[Layer]:
    layer = read_layer(file)
    if "extends" not in layer.values:
        return [layer]
    extended = layer.values["extends"]
    values = {key: value for key, value in layer.values.items() if key != "extends"}

    def refuse(message: str, hint: str | None = None) -> SpecError:
        return SpecError([Problem("extends", message, hint, layer.label, layer.lines["extends"])])

    if not isinstance(extended, str) or "\0" in extended:
        raise refuse("should be the name of a file")
    if not (file.parent / extended).is_file():
        raise refuse(f"there is no file {file.parent / extended}")
    base = read_layer(file.parent / extended)
    if "extends" in base.values:
        raise refuse(f"{base.label} itself extends another file", "only one level is supported")
    return [base, replace(layer, values=values)]


def _validate(values: Mapping[str, Any]) -> tuple[Spec, list[Problem]]:
    """Return a spec of the valid values only, and a problem for each invalid value.

    The spec can then be resolved, so that problems in component options are reported along with the invalid values.
    """
    invalid = dict(islice(_find_invalid(values, ()), MAX_PROBLEMS))
    problems = [Problem(dotted(place), message) for place, message in invalid.items()]
    values = _remove(values, invalid)
    while len(problems) < MAX_PROBLEMS:
        try:
            return Spec.model_validate_json(json.dumps(values)), problems
        except ValidationError as error:
            by_place = problems_from(error, values, _list_keys)
            problems += by_place.values()
            values = _remove(values, by_place)
    return Spec(), problems


def _find_invalid(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    """Yield the place and the problem of each value that TOML or JSON allows but a spec does not, such as a date."""
    if len(place) > MAX_DEPTH:
        yield place, "is nested too deeply"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if _INVALID_TEXT.search(key):
                yield (*place, key), "is not a valid key, since it contains NUL or undecodable bytes"
            yield from _find_invalid(inner, (*place, key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _find_invalid(inner, (*place, index))
    elif isinstance(value, str):
        if _INVALID_TEXT.search(value):
            yield place, "should be text without NUL or undecodable bytes"
    elif isinstance(value, float) and not math.isfinite(value):
        yield place, "should be a finite number"
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        yield place, f"is out of range: the largest integer is {MAX_INTEGER}"
    elif value is not None and not isinstance(value, (int, float)):
        yield place, "should be a string, a number, true or false, an array or a table"


def _remove(values: Mapping[str, Any], places: Iterable[Place]) -> dict[str, Any]:
    """Return `values` without those at `places`; if a component's name or the start is removed, so is its table."""
    pruned: dict[str, Any] = dict(values)
    for place in places:
        table = pruned.get(str(place[0])) if place else None
        names_component = place[-1:] in (("name",), ("source",), ("from",)) and len(place) > 1
        if len(place) > 1 and isinstance(table, Mapping) and not names_component:
            pruned[str(place[0])] = _remove(table, [place[1:]])
        elif place:
            pruned.pop(str(place[0]), None)
    return pruned


def list_keys() -> list[str]:
    """Return the dotted keys of all tables of a spec, such as `train.steps`, but not the options of components."""
    tables = {name: field.annotation for name, field in Spec.model_fields.items() if name not in ARRAYS}
    models = {name: table for name, table in tables.items() if isinstance(table, type) and issubclass(table, Table)}
    return [f"{name}.{key}" for name, table in models.items() for key in table.model_fields]


def _list_keys(place: Place) -> Iterable[str]:
    """Return the keys allowed in the table that contains a place; for the whole spec, also those of its tables."""
    if len(place) == 1:
        return [*Spec.model_fields, *list_keys()]
    model: type[BaseModel] = Spec
    for part in place[:-1]:
        if isinstance(part, str):  # the number of a table in an array leads to the same model
            model = _find_model(_fields_of(model)[part].annotation)
    return _fields_of(model)


def _fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a table by their names in a spec."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _find_model(annotation: Any) -> type[BaseModel]:
    """Return the model of a table, given the annotation of the table or of an array of such tables."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _find_model(part)) is not _Keyless), _Keyless)


class _Keyless(BaseModel):
    """Stands for a value that is no table."""
