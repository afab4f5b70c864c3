"""Resolve a spec: name every component and fill in its options, given the loaded plugins."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from cgkit.contracts import Size
from cgkit.errors import CgkitError, CgkitWarning, PluginError, Problem, UnknownComponentError
from cgkit.options import check_options, options_of, recommended_options
from cgkit.plugins import Plugins
from cgkit.registry import BUILT_IN, Component
from cgkit.spec.images import Data, unheld
from cgkit.spec.model import COMPONENT_TABLES, SIDES, Spec
from cgkit.spec.providers import providers_used
from cgkit.spec.requirements import complete_requirements, explain_unknown, unmet_requirements
from cgkit.spec.settings import resolve_settings
from cgkit.spec.start import Addresses, Start
from cgkit.spec.tables import OpenTable, Use


def resolve(spec: Spec, plugins: Plugins, made_with: Mapping[str, str] | None = None) -> tuple[Spec, list[Problem]]:
    """Return the spec with every component named and every option filled in, and a list of all problems.

    The packages that provide the components are added to `requires`. If there are problems, the spec is returned
    unchanged.
    """
    unmet = unmet_requirements(spec.requires or (), plugins)
    resolver = _Resolver(plugins, spec.data.size, made_with, report_unknown=not unmet)
    values = spec.to_json()
    for table, kind in COMPONENT_TABLES.items():
        use = getattr(spec, table)
        if table in SIDES:
            values[table] = resolver.resolve_pair(use, kind, table)
        else:
            values[table] = resolver.resolve_one(use, kind, table)
    values["term"] = resolver.resolve_array(spec.term, "terms", "term")
    values["augmentation"] = resolver.resolve_array(spec.augmentation, "augmentations", "augmentation")
    values["metric"] = resolver.resolve_array(spec.metric, "metrics", "metric", unique=True)
    values["tracker"] = resolver.resolve_array(spec.tracker, "trackers", "tracker", unique=True, always=True)
    if spec.format:  # a spec need not name formats: all are available
        values["format"] = resolver.resolve_array(spec.format, "formats", "format", unique=True)
    settings, unsettled = resolve_settings(spec.plugins or {}, plugins)
    # Remove duplicates, since both networks of a pair report the problems of their shared table.
    problems = list(dict.fromkeys([*unmet, *resolver.problems, *unsettled]))
    if problems:
        return spec, problems
    values |= {"plugins": settings} if settings else {}
    resolved = Spec.model_validate_json(json.dumps(values))
    requires = complete_requirements(spec.requires or (), providers_used(resolved, plugins))
    return resolved.model_copy(update={"requires": tuple(requires)} if requires else {}), []


def contradictions(spec: Spec) -> Iterator[Problem]:
    """Yield a problem for each set of values that are valid by themselves but contradict each other."""
    objective = spec.objective
    channels_a, channels_b = spec.data.channels
    if channels_a != channels_b and (objective.identity.a or objective.identity.b):
        yield Problem(
            "data.channels",
            f"the identity loss needs equal channels in both domains, but a has {channels_a} and b has {channels_b}",
            "set objective.identity = 0",
        )
    yield from _check_data(spec.data)
    if spec.start is not None:
        yield from _check_start(spec.start)
    evaluation = spec.evaluation
    if evaluation.patience is not None and evaluation.best is None:
        yield Problem("evaluation.patience", "needs evaluation.best", 'for example evaluation.best = "psnr"')
    if evaluation.patience is not None and evaluation.every is None:
        yield Problem("evaluation.patience", "needs evaluation.every", "for example evaluation.every = 500")
    weights = [*objective.model_dump().values(), *(use.weight.model_dump() for use in spec.term)]
    if not any(weight for directions in weights for weight in directions.values()):
        yield Problem("objective", "all weights are zero, so there is nothing to learn")


def _check_data(data: Data) -> Iterator[Problem]:
    if data.alpha == "channel" and not {2, 4} & set(data.channels):
        yield Problem("data.alpha", '"channel" needs 2 or 4 channels in a domain', "for example data.channels = 4")
    for side in "ab":
        depth, span = getattr(data.depth, side), getattr(data.range, side)
        if depth is not None and (problem := unheld(depth, span)) is not None:
            yield Problem(f"data.depth.{side}", problem)


def _check_start(start: Start) -> Iterator[Problem]:
    if start.addresses == Addresses():
        yield Problem("start", "does not say where the weights come from", 'for example from = "runs/x"')
    if not start.generators and start.discriminators is False:
        yield Problem("start", "takes neither generators nor discriminators")


class _Resolver:
    """A resolver for the tables of a spec that collects their problems."""

    def __init__(
        self, plugins: Plugins, size: Size, made_with: Mapping[str, str] | None, *, report_unknown: bool
    ) -> None:
        self.problems: list[Problem] = []
        self._plugins = plugins
        self._size = size
        self._made_with = made_with
        self._report_unknown = report_unknown

    def resolve_one(self, table: OpenTable, kind: str, path: str) -> dict[str, Any]:
        """Resolve a table that names one component."""
        key = "source" if path == "data" else "name"
        own = table.model_dump(mode="json", include=set(type(table).model_fields))
        component = self._find(own[key], kind, f"{path}.{key}")
        if component is None:
            return own
        options = self._complete_options(component, table, table.options, dict.fromkeys(table.options, path), path)
        return {**own, key: self._choose_name(component, own[key]), **options}

    def resolve_pair(self, table: Use, kind: str, path: str) -> dict[str, Any]:
        """Resolve a table for two networks, each of which may have its own inner table."""
        shared = self._find(table.name, kind, f"{path}.name")
        inherited = False
        resolved = {}
        for side in SIDES[path]:
            use: Use = getattr(table, side) or Use()
            inner_path = f"{path}.{side}"
            component = self._find(use.name, kind, f"{inner_path}.name") if use.name else shared
            if component is None:
                inherited = True  # do not check the shared options, which may be meant for the unknown component
                continue
            options, paths = dict(use.options), dict.fromkeys(use.options, inner_path)
            if component is shared:
                inherited = True
                options = {**table.options, **options}
                paths = {**dict.fromkeys(table.options, path), **paths}
            default_path = inner_path if use.name else path
            options = self._complete_options(component, table, options, paths, default_path)
            resolved[side] = {"name": self._choose_name(component, use.name or table.name), **options}
        if not inherited:
            for option in table.options:
                names = " nor ".join(f"{path}.{side}" for side in SIDES[path])
                self.problems.append(Problem(f"{path}.{option}", f"is used by neither {names}"))
        return resolved

    def resolve_array(
        self, uses: tuple[Use, ...] | None, kind: str, path: str, *, unique: bool = False, always: bool = False
    ) -> list[dict[str, Any]]:
        """Resolve an array of tables, each of which names a component.

        Args:
            uses: the tables; None for the default components.
            kind: the kind of the components.
            path: the name of the array in the spec.
            unique: whether to report a component that is listed twice.
            always: whether to add the default components that are not listed.
        """
        registry = self._plugins.registries[kind]
        resolved = []
        components: list[Component | None] = []
        for index, use in enumerate(uses or ()):
            if use.name is None:
                self.problems.append(Problem(f"{path}.{index}.name", "is required"))
                continue
            component = self._find(use.name, kind, f"{path}.{index}.name")
            if unique and component is not None and component in components:
                self.problems.append(Problem(f"{path}.{index}", f'"{component.name}" is listed twice'))
            components.append(component)
            resolved.append(self.resolve_one(use, kind, f"{path}.{index}") if component is not None else {})
        if uses is None or always:
            missing = [component for component in registry.defaults() if component not in components]
            resolved += [self.resolve_one(Use(name=registry.reference(component)), kind, path) for component in missing]
        return resolved

    def _find(self, name: str | None, kind: str, path: str) -> Component | None:
        try:
            component = self._plugins.registries[kind].choose(name)
            if component.deprecated is not None:
                warnings.warn(f"{path}: {component} is deprecated: {component.deprecated}", CgkitWarning, stacklevel=2)
            return component
        except UnknownComponentError as error:
            if self._report_unknown:  # otherwise, the missing packages are reported, one of which may have it
                self._add_unknown(name or "", path, error)
        except PluginError as error:
            earlier = self._find_earlier(name, kind)
            if earlier is not None:
                return earlier
            self.problems.append(Problem.of(path, error))
        return None

    def _add_unknown(self, name: str, path: str, error: UnknownComponentError) -> None:
        problem = explain_unknown(name, path, error, self._plugins, self._made_with or {})
        is_repeated = any(problem.message == other.message for other in self.problems)
        # Report a missing package once, not at each place that names one of its components.
        if problem.exit_code != PluginError.exit_code or not is_repeated:
            self.problems.append(problem)

    def _find_earlier(self, name: str | None, kind: str) -> Component | None:
        """Return the component that a now ambiguous name referred to when the run was made; None if unknown."""
        if self._made_with is None:
            return None
        providers = {BUILT_IN, *self._made_with}
        namesakes = [component for component in self._plugins.registries[kind] if component.name == name]
        matches = [component for component in namesakes if component.provider in providers]
        return matches[0] if len(matches) == 1 else None

    def _choose_name(self, component: Component, written: str | None) -> str:
        """Return the component's name for the resolved spec; it includes the provider if `written` does."""
        if written and "/" in written:
            return component.qualified_name
        return self._plugins.registries[component.kind.name].reference(component)

    def _complete_options(
        self,
        component: Component,
        table: OpenTable,
        options: Mapping[str, Any],
        paths: Mapping[str, str],
        default_path: str,
    ) -> dict[str, Any]:
        """Return all options of a component, and collect their problems.

        Args:
            component: the component.
            table: the table that names the component.
            options: the options that the spec sets.
            paths: for each option, the path of the table that sets it; problems name this path.
            default_path: the path for problems that concern none of `paths`, such as a missing option.
        """
        try:
            suggested = recommended_options(component, self._size)
            values, problems = check_options(component, options, suggested=suggested)
            values |= self._resolve_nested(component, values, default_path)
        except CgkitError as error:
            self.problems.append(Problem.of(default_path, error))
            return dict(options)
        for problem in problems:
            path = next((paths[option] for option in paths if _is_within(problem.path, option)), default_path)
            self.problems.append(Problem(f"{path}.{problem.path}".rstrip("."), problem.message, problem.hint))
        return values

    def _resolve_nested(self, component: Component, values: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return the options that name other components, resolved."""
        nested = {}
        for name, option in options_of(component).items():
            value = values.get(name)
            if option.kind is None or not isinstance(value, Mapping):
                continue
            if isinstance(value.get("name"), str | None):
                nested[name] = self.resolve_one(Use.model_validate(dict(value)), option.kind, f"{path}.{name}")
            else:
                self.problems.append(Problem(f"{path}.{name}.name", "should be the name of a component"))
        return nested


def _is_within(path: str, option: str) -> bool:
    return path == option or path.startswith(f"{option}.")
