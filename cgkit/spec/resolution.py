"""Naming every component of a spec and spelling out its options, against what the plugins provide."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cgkit.contracts import Size
from cgkit.errors import CgkitError, PluginError, Problem, UnknownComponentError
from cgkit.options import check_options, recommended_options
from cgkit.plugins import Plugins
from cgkit.registry import BUILT_IN, Component
from cgkit.spec.images import Data, unheld
from cgkit.spec.model import COMPONENT_TABLES, SIDES, Spec
from cgkit.spec.providers import providers_used
from cgkit.spec.requirements import completed, explain_unknown, unmet_requirements
from cgkit.spec.tables import OpenTable, Use


def resolve(spec: Spec, plugins: Plugins, made_with: Mapping[str, str] | None = None) -> tuple[Spec, list[Problem]]:
    """Return the spec with every component named and its options complete, and every problem found on the way.

    What it requires is completed with the distributions that its components turn out to come from.
    """
    unmet = unmet_requirements(spec.requires or (), plugins)
    resolver = _Resolver(plugins, spec.data.size, made_with, is_complete=not unmet)
    values = spec.to_json()
    for table, kind in COMPONENT_TABLES.items():
        use = getattr(spec, table)
        if table in SIDES:
            values[table] = resolver.pair(use, kind, table)
        else:
            values[table] = resolver.one(use, kind, table)
    values["augmentation"] = resolver.several(spec.augmentation, "augmentations", "augmentation")
    values["metric"] = resolver.several(spec.metric, "metrics", "metric", unique=True)
    values["tracker"] = resolver.several(spec.tracker, "trackers", "tracker", unique=True, always=True)
    # Both networks of a pair may have had the same to say about their table.
    problems = list(dict.fromkeys([*unmet, *resolver.problems]))
    if problems:
        return spec, problems
    resolved = Spec.model_validate_json(json.dumps(values))
    requires = completed(spec.requires or (), providers_used(resolved, plugins))
    return resolved.model_copy(update={"requires": tuple(requires)} if requires else {}), []


def contradictions(spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with a spec although each of its values is right."""
    objective = spec.objective
    channels_a, channels_b = spec.data.channels
    if channels_a != channels_b and (objective.identity.a or objective.identity.b):
        yield Problem(
            "data.channels",
            f"the identity loss needs equal channels in both domains, but a has {channels_a} and b has {channels_b}",
            "set objective.identity = 0",
        )
    yield from _contradictions_of_images(spec.data)
    evaluation = spec.evaluation
    if evaluation.patience is not None and evaluation.best is None:
        yield Problem("evaluation.patience", "needs to know what is best", 'set evaluation.best = "psnr", for one')
    if evaluation.patience is not None and evaluation.every is None:
        yield Problem("evaluation.patience", "needs scores during training", "set evaluation.every = 500, for one")
    tables = (objective.adversarial, objective.cycle, objective.identity)
    if not any(weight for table in tables for weight in table.model_dump().values()):
        yield Problem("objective", "every weight is zero, so there is nothing to learn")


def _contradictions_of_images(data: Data) -> Iterator[Problem]:
    if data.alpha == "channel" and not {2, 4} & set(data.channels):
        yield Problem("data.alpha", '"channel" needs 2 or 4 channels in a domain', "set data.channels = 4, for one")
    for side in "ab":
        depth, span = getattr(data.depth, side), getattr(data.range, side)
        if depth is not None and (problem := unheld(depth, span)) is not None:
            yield Problem(f"data.depth.{side}", problem)


class _Resolver:
    """Collects problems while it resolves one table after another."""

    def __init__(self, plugins: Plugins, size: Size, made_with: Mapping[str, str] | None, *, is_complete: bool) -> None:
        self.problems: list[Problem] = []
        self._plugins = plugins
        self._size = size
        self._made_with = made_with
        self._is_complete = is_complete

    def one(self, table: OpenTable, kind: str, path: str) -> dict[str, Any]:
        """Resolve a table that says everything about one component."""
        key = "source" if path == "data" else "name"
        own = table.model_dump(mode="json", include=set(type(table).model_fields))
        component = self._find(own[key], kind, f"{path}.{key}")
        if component is None:
            return own
        return {
            **own,
            key: self._reference(component, own[key]),
            **self._options(component, table, table.options, dict.fromkeys(table.options, path), path),
        }

    def pair(self, table: Use, kind: str, path: str) -> dict[str, Any]:
        """Resolve a table about two networks, each of which may have a table of its own inside."""
        shared = self._find(table.name, kind, f"{path}.name")
        inherited = False
        resolved = {}
        for side in SIDES[path]:
            use: Use = getattr(table, side) or Use()
            inside = f"{path}.{side}"
            component = self._find(use.name, kind, f"{inside}.name") if use.name else shared
            if component is None:
                inherited = True  # whose options these are cannot be known
                continue
            options, places = dict(use.options), dict.fromkeys(use.options, inside)
            if component is shared:
                inherited = True
                options = {**table.options, **options}
                places = {**dict.fromkeys(table.options, path), **places}
            name = self._reference(component, use.name or table.name)
            home = inside if use.name else path
            resolved[side] = {"name": name, **self._options(component, table, options, places, home)}
        if not inherited:
            for option in table.options:
                names = " nor ".join(f"{path}.{side}" for side in SIDES[path])
                self.problems.append(Problem(f"{path}.{option}", f"is used by neither {names}"))
        return resolved

    def several(
        self, uses: tuple[Use, ...] | None, kind: str, path: str, *, unique: bool = False, always: bool = False
    ) -> list[dict[str, Any]]:
        """Resolve an array of tables; without one, the defaults are used, and with `always` they are used besides."""
        registry = self._plugins.registries[kind]
        resolved = []
        found: list[Component | None] = []
        for index, use in enumerate(uses or ()):
            if use.name is None:
                self.problems.append(Problem(f"{path}.{index}.name", "is required"))
                continue
            component = self._find(use.name, kind, f"{path}.{index}.name")
            if unique and component is not None and component in found:
                self.problems.append(Problem(f"{path}.{index}", f'"{component.name}" is there twice'))
            found.append(component)
            resolved.append(self.one(use, kind, f"{path}.{index}") if component is not None else {})
        if uses is None or always:
            missing = [component for component in registry.defaults() if component not in found]
            resolved += [self.one(Use(name=registry.reference(component)), kind, path) for component in missing]
        return resolved

    def _find(self, name: str | None, kind: str, path: str) -> Component | None:
        try:
            return self._plugins.registries[kind].choose(name)
        except UnknownComponentError as error:
            self._report_unknown(name or "", path, error)
        except PluginError as error:
            before = self._as_before(name, kind)
            if before is not None:
                return before
            self.problems.append(_problem(path, error))
        return None

    def _report_unknown(self, name: str, path: str, error: UnknownComponentError) -> None:
        if not self._is_complete:
            return  # the missing package, which is reported, may provide it
        problem = explain_unknown(name, path, error, self._plugins, self._made_with or {})
        is_plugin_missing = problem.exit_code == PluginError.exit_code
        # A missing package is reported once, not for each of its components.
        if not is_plugin_missing or all(problem.message != other.message for other in self.problems):
            self.problems.append(problem)

    def _as_before(self, name: str | None, kind: str) -> Component | None:
        """Return what a name meant when the run was made, although another package provides the name as well now."""
        if self._made_with is None:
            return None
        providers = {BUILT_IN, *self._made_with}
        meant = [one for one in self._plugins.registries[kind] if one.name == name and one.provider in providers]
        return meant[0] if len(meant) == 1 else None

    def _reference(self, component: Component, written: str | None) -> str:
        """Keep the provider in the name where the user wrote it."""
        if written and "/" in written:
            return component.qualified_name
        return self._plugins.registries[component.kind.name].reference(component)

    def _options(
        self, component: Component, table: OpenTable, options: Mapping[str, Any], places: Mapping[str, str], home: str
    ) -> dict[str, Any]:
        """Return a component's options, complete; `places` says in which table each stands, if not in `home`."""
        try:
            suggested = recommended_options(component, self._size)
            keys = type(table).model_fields
            values, problems = check_options(component, options, suggested=suggested, beside=keys)
        except CgkitError as error:
            self.problems.append(_problem(home, error))
            return dict(options)
        for problem in problems:
            place = next((places[option] for option in places if _is_within(problem.path, option)), home)
            self.problems.append(Problem(f"{place}.{problem.path}".rstrip("."), problem.message, problem.hint))
        return values


def _is_within(path: str, option: str) -> bool:
    return path == option or path.startswith(f"{option}.")


def _problem(path: str, error: CgkitError) -> Problem:
    return Problem(path, error.message, error.hint, exit_code=error.exit_code)
