"""From a file and the command line's overrides to a resolved spec, or to every problem in them at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cgkit.errors import CgkitError, Problem, SpecError
from cgkit.options import problem_from
from cgkit.plugins import Plugins
from cgkit.spec.model import Spec
from cgkit.spec.reading import Layer, Path_, read_layer, read_override
from cgkit.spec.resolution import place_relative_paths, resolve


def load_spec(file: Path | str, plugins: Plugins, overrides: Sequence[str] = ()) -> Spec:
    """Read, validate and resolve a spec.

    Args:
        file: a TOML file. It may extend one other file: `extends = "other.toml"`.
        plugins: the loaded plugins, whose components the spec may name.
        overrides: `path=value` texts that win over the file.

    Returns:
        The spec with every component named and every option spelt out.

    Raises:
        SpecError: with every problem that was found.
    """
    layers = read_layers(Path(file), overrides)
    values: dict[str, Any] = {}
    for layer in layers:
        values = merge(values, place_relative_paths(layer.values, layer.folder, plugins))
    return resolve_spec(values, plugins, layers)


def read_layers(file: Path, overrides: Sequence[str] = ()) -> list[Layer]:
    """Read a file, the one that it extends, and overrides; later layers win.

    Raises:
        SpecError: one of them cannot be read.
    """
    return [*_files(file), *(read_override(text) for text in overrides)]


def resolve_spec(values: Mapping[str, Any], plugins: Plugins, layers: Sequence[Layer] = ()) -> Spec:
    """Validate and resolve a spec given as plain values; `layers` say where each of them came from.

    Resolving is idempotent: a resolved spec's own values resolve to the same spec.

    Raises:
        SpecError: with every problem that was found.
    """
    try:
        spec = Spec.model_validate_json(json.dumps(values))
    except ValidationError as error:
        problems = [_structural_problem(detail) for detail in error.errors(include_url=False)]
        raise SpecError(located(_without_echoes(problems), layers)) from None
    try:
        resolved, problems = resolve(spec, plugins)
    except CgkitError as error:
        raise SpecError([Problem("", error.message, error.hint, exit_code=error.exit_code)]) from error
    if problems:
        raise SpecError(located(problems, layers))
    return resolved


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with what `over` says: tables are merged, everything else replaced.

    Where `over` names another component than `base`, the options of the old one go with it.
    """
    merged = dict(base)
    for key in ("name", "source"):
        replaced = key in over and key in base and over[key] != base[key]
        if replaced and not _is_whole_spec(base):
            kept = _DATA_KEYS if key == "source" else ()
            merged = {name: value for name, value in base.items() if name in kept}
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def located(problems: Iterable[Problem], layers: Sequence[Layer]) -> list[Problem]:
    """Return the problems with the file and line that each stands on, in reading order."""
    placed = []
    for problem in problems:
        path: Path_ = tuple(int(part) if part.isdigit() else part for part in problem.path.split("."))
        found = next((place for layer in reversed(layers) if (place := layer.place(path))), None)
        if found is None and layers:
            found = (layers[0].label, None)
        file, line = found or (None, None)
        placed.append(Problem(problem.path, problem.message, problem.hint, file, line, problem.exit_code))
    return sorted(placed, key=lambda problem: (problem.file or "", problem.line or 0))


_DATA_KEYS = ("size", "channels", "background", "workers")


def _is_whole_spec(values: Mapping[str, Any]) -> bool:
    """The top level has a `name` too; it names the run, not a component."""
    return bool({"data", "train", "generator", "seed", "extends"} & set(values))


def _files(file: Path) -> list[Layer]:
    layer = read_layer(file)
    if "extends" not in layer.values:
        return [layer]
    extended = layer.values.pop("extends")
    line = layer.lines.get(("extends",))
    if not isinstance(extended, str):
        raise SpecError([Problem("extends", "should be the name of a file", None, layer.label, line)])
    base = read_layer(layer.folder / extended)
    if "extends" in base.values:
        raise SpecError(
            [
                Problem(
                    "extends",
                    f"{extended} itself extends another file",
                    "one level is all there is",
                    layer.label,
                    line,
                )
            ]
        )
    return [base, layer]


def _structural_problem(detail: Mapping[str, Any]) -> Problem:
    return problem_from(detail, "", _known_keys(detail["loc"]))


def _known_keys(location: Sequence[str | int]) -> dict[str, Any]:
    """Return the keys that a table has, for a did-you-mean, given where the unknown one stands."""
    model: Any = Spec
    for part in location[:-1]:
        field = model.model_fields.get(str(part)) if isinstance(model, type) and issubclass(model, BaseModel) else None
        if field is not None:
            model = field.annotation
    return dict(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else {}


def _without_echoes(problems: Sequence[Problem]) -> list[Problem]:
    """Drop what pydantic says once for each member of a union: the first message about a value is enough."""
    unique: dict[str, Problem] = {}
    for problem in problems:
        shortened = problem.path.split(".")
        while shortened and shortened[-1] in _UNION_MEMBERS:
            shortened.pop()
        path = ".".join(shortened)
        unique.setdefault(path, Problem(path, problem.message, problem.hint))
    return list(unique.values())


_UNION_MEMBERS = {"int", "str", "constrained-int", "literal['auto']"}
