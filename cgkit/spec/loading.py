"""From a file and the command line's overrides to a resolved spec, or to every problem in them at once."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cgkit.errors import MAX_PROBLEMS, Place, Problem, SpecError, dotted, problems_from
from cgkit.plugins import Plugins
from cgkit.spec.merging import combine
from cgkit.spec.model import Spec
from cgkit.spec.positions import MAX_DEPTH
from cgkit.spec.reading import Layer, read_layer, read_override
from cgkit.spec.resolution import contradictions, resolve

MAX_INTEGER = 2**53
"""Beyond this a JSON reader may round: no number in a spec has any business there."""

_UNFIT_TEXT = re.compile(r"[\0\ud800-\udfff]")


def load_spec(
    file: Path | str, plugins: Plugins, overrides: Sequence[str] = (), *, made_with: Mapping[str, str] | None = None
) -> Spec:
    """Read, validate and resolve a spec.

    Args:
        file: a TOML file. It may extend one other file: `extends = "other.toml"`.
        plugins: the loaded plugins, whose components the spec may name.
        overrides: `path=value` texts that win over the file.
        made_with: as of `resolve_spec`.

    Returns:
        The spec with every component named and every option spelt out.

    Raises:
        SpecError: with every problem that was found.
    """
    layers = read_layers(Path(file), overrides)
    return resolve_spec(combine(layers, plugins.registries), plugins, layers, made_with=made_with)


def read_layers(file: Path, overrides: Sequence[str] = ()) -> list[Layer]:
    """Read a file, the one that it extends, and overrides; later layers win.

    Raises:
        SpecError: one of them cannot be read.
    """
    return [*_files(file), *(read_override(text) for text in overrides)]


def resolve_spec(
    values: Mapping[str, Any],
    plugins: Plugins,
    layers: Sequence[Layer] = (),
    *,
    made_with: Mapping[str, str] | None = None,
) -> Spec:
    """Validate and resolve a spec given as plain values.

    Resolving is idempotent: a resolved spec's own values resolve to the same spec.

    Args:
        values: what the spec says.
        plugins: the loaded plugins, whose components it may name.
        layers: where each of the values came from.
        made_with: the versions, by name, of the distributions that a run was made with from this spec before. One that
            is gone is named where a component is unknown; what came since takes no name away from the others.

    Raises:
        SpecError: with every problem that was found.
    """
    if not isinstance(values, Mapping):
        raise SpecError(located([Problem("", "should be a table")], layers))
    spec, problems = _sound_part(values)
    resolved, found = resolve(spec, plugins, made_with)
    if not problems:
        found += contradictions(spec)
    if problems or found:
        raise SpecError(located([*problems, *found], layers))
    return resolved


def located(problems: Iterable[Problem], layers: Sequence[Layer]) -> list[Problem]:
    """Return the problems with the file and line that each stands on, in reading order."""
    if not layers:
        return list(problems)
    main = max(index for index, layer in enumerate(layers) if layer.is_file)
    placed = []
    for problem in problems:
        nearest = [layer.nearest(problem.path) for layer in layers]
        # The layer that says most about the place; the last one of several, because that is the one that counts.
        index = max(range(len(layers)), key=lambda number: (len(nearest[number]), number)) if any(nearest) else main
        line = layers[index].lines.get(nearest[index])
        placed.append((index, line or 0, replace(problem, file=layers[index].label, line=line)))
    return [problem for _, _, problem in sorted(placed, key=lambda entry: entry[:2])]


def _files(file: Path) -> list[Layer]:
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
        raise refuse(f"{base.label} itself extends another file", "one level is all there is")
    return [base, replace(layer, values=values)]


def _sound_part(values: Mapping[str, Any]) -> tuple[Spec, list[Problem]]:
    """Return a spec of everything that is well-formed, and a problem for everything that is not.

    So that what is wrong with a component's options is told together with what is wrong elsewhere.
    """
    unfit = dict(islice(_unfit_values(values, ()), MAX_PROBLEMS))
    problems = [Problem(dotted(place), message) for place, message in unfit.items()]
    values = _without(values, unfit)
    while len(problems) < MAX_PROBLEMS:
        try:
            return Spec.model_validate_json(json.dumps(values)), problems
        except ValidationError as error:
            found = problems_from(error, values, _keys_at)
            problems += found.values()
            values = _without(values, found)
    return Spec(), problems


def _unfit_values(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    """Yield what TOML or JSON can say and no spec does: dates, infinities, integers beyond 2**53."""
    if len(place) > MAX_DEPTH:
        yield place, "is nested too deeply"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if _UNFIT_TEXT.search(key):
                yield (*place, key), "is no key: it holds NUL or undecodable bytes"
            yield from _unfit_values(inner, (*place, key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _unfit_values(inner, (*place, index))
    elif isinstance(value, str):
        if _UNFIT_TEXT.search(value):
            yield place, "should be text without NUL and undecodable bytes"
    elif isinstance(value, float) and not math.isfinite(value):
        yield place, "should be a finite number"
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        yield place, f"is out of range: numbers go up to {MAX_INTEGER}"
    elif value is not None and not isinstance(value, (int, float)):
        yield place, "should be a string, a number, true or false, an array or a table"


def _without(values: Mapping[str, Any], places: Iterable[Place]) -> dict[str, Any]:
    """Return the values without what stands at some places, and without any table whose component cannot be told."""
    pruned: dict[str, Any] = dict(values)
    for place in places:
        table = pruned.get(str(place[0])) if place else None
        names_component = place[-1:] in (("name",), ("source",)) and len(place) > 1
        if len(place) > 1 and isinstance(table, Mapping) and not names_component:
            pruned[str(place[0])] = _without(table, [place[1:]])
        elif place:
            pruned.pop(str(place[0]), None)
    return pruned


def _keys_at(place: Place) -> Iterable[str]:
    """Return the keys of the table in which a place lies."""
    model: Any = Spec
    for part in place[:-1]:
        model = model.model_fields[str(part)].annotation
    return model.model_fields if issubclass(model, BaseModel) else ()
