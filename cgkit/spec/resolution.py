"""Naming every component of a spec and spelling out its options, against what the plugins provide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cgkit.contracts import Size
from cgkit.errors import CgkitError, PluginError, Problem, UnknownComponentError
from cgkit.options import check_options, paths_among
from cgkit.plugins import Plugins
from cgkit.registry import Component
from cgkit.spec.model import OpenTable, Spec, Use


def resolve(spec: Spec, plugins: Plugins) -> tuple[Spec, list[Problem]]:
    """Return the spec with every component named and its options complete, and every problem found on the way."""
    resolver = _Resolver(plugins, spec.data.size)
    values = spec.to_json()
    values["data"] = resolver.data(spec)
    values["generator"] = resolver.pair(spec.generator, "generators", "generator", ("a2b", "b2a"))
    values["discriminator"] = resolver.pair(spec.discriminator, "discriminators", "discriminator", ("a", "b"))
    values["adversarial_loss"] = resolver.one(spec.adversarial_loss, "adversarial_losses", "adversarial_loss")
    values["cycle_loss"] = resolver.one(spec.cycle_loss, "reconstruction_losses", "cycle_loss")
    values["identity_loss"] = resolver.one(spec.identity_loss, "reconstruction_losses", "identity_loss")
    values["schedule"] = resolver.one(spec.schedule, "schedules", "schedule")
    values["augmentation"] = resolver.several(spec.augmentation, "augmentations", "augmentation")
    values["metric"] = resolver.several(spec.metric, "metrics", "metric")
    values["tracker"] = resolver.several(spec.tracker, "trackers", "tracker", always=True)
    resolver.problems.extend(_contradictions(spec))
    if resolver.problems:
        return spec, resolver.problems
    return Spec.model_validate(values, strict=False), []


def place_relative_paths(values: Mapping[str, Any], folder: Path, plugins: Plugins) -> dict[str, Any]:
    """Return the values with the source's relative paths made absolute, as seen from `folder`."""
    data = values.get("data")
    if not isinstance(data, dict):
        return dict(values)
    # An override may give a path without naming the source, so every source's path options count.
    path_options: set[str] = set()
    for component in plugins.registries.sources:
        if data.get("source") in (None, component.name, component.qualified_name):
            try:
                path_options |= paths_among(component)
            except PluginError:
                continue  # a broken source is reported where a spec uses it
    placed = {
        key: str((folder / Path(value).expanduser()).resolve())
        if key in path_options and isinstance(value, str)
        else value
        for key, value in data.items()
    }
    return {**values, "data": placed}


class _Resolver:
    """Collects problems while it resolves one table after another."""

    def __init__(self, plugins: Plugins, size: Size) -> None:
        self.problems: list[Problem] = []
        self._plugins = plugins
        self._size = size

    def one(self, use: Use, kind: str, path: str) -> dict[str, Any]:
        component = self._find(use.name, kind, path)
        if component is None:
            return {}
        return {"name": _reference(component, use.name), **self._options(component, use.options, path)}

    def pair(self, table: Use, kind: str, path: str, sides: tuple[str, str]) -> dict[str, Any]:
        resolved = {}
        for side in sides:
            use: Use | None = getattr(table, side)
            inherited = use is None or use.name in (None, table.name)
            options = {**(table.options if inherited else {}), **(use.options if use else {})}
            name = (use.name if use else None) or table.name
            before = len(self.problems)
            resolved[side] = self.one(Use(name=name, **options), kind, path)
            if use is not None:
                self._point_into(before, path, side, use)
        self.problems = list(dict.fromkeys(self.problems))
        return resolved

    def several(
        self, uses: tuple[Use, ...] | None, kind: str, path: str, *, always: bool = False
    ) -> list[dict[str, Any]]:
        defaults = [Use(name=component.name) for component in self._plugins.registries[kind].defaults()]
        if uses is None:
            uses = tuple(defaults)
        elif always:
            named = {use.name for use in uses}
            uses = (*(use for use in defaults if use.name not in named), *uses)
        return [self.one(use, kind, f"{path}.{index}") for index, use in enumerate(uses)]

    def data(self, spec: Spec) -> dict[str, Any]:
        own = spec.data.model_dump(mode="json", exclude=set(spec.data.options))
        component = self._find(spec.data.source, "sources", "data", key="source")
        if component is None:
            return own
        reference = _reference(component, spec.data.source)
        return {**own, "source": reference, **self._options(component, spec.data.options, "data", OpenTable)}

    def _find(self, name: str | None, kind: str, path: str, key: str = "name") -> Component | None:
        registry = self._plugins.registries[kind]
        defaults = registry.defaults()
        if name is None and defaults:
            return defaults[0]
        try:
            return registry[name or ""]
        except UnknownComponentError as error:
            self.problems.append(self._blame_failed_plugins(f"{path}.{key}", error))
        except PluginError as error:
            self.problems.append(Problem(f"{path}.{key}", error.message, error.hint, exit_code=error.exit_code))
        return None

    def _blame_failed_plugins(self, path: str, error: UnknownComponentError) -> Problem:
        failed = self._plugins.failed
        likely_typo = "did you mean" in (error.hint or "")
        if not failed or likely_typo:
            return Problem(path, error.message, error.hint)
        reasons = "; ".join(f"{plugin.distribution} could not be loaded: {plugin.reason}" for plugin in failed)
        return Problem(path, error.message, reasons, exit_code=PluginError.exit_code)

    def _options(
        self, component: Component, options: Mapping[str, Any], path: str, table: type[OpenTable] = Use
    ) -> dict[str, Any]:
        try:
            suggested = recommended_options(component, self._size)
            values, problems = check_options(component, {**suggested, **options}, path)
        except CgkitError as error:
            self.problems.append(Problem(path, error.message, error.hint, exit_code=error.exit_code))
            return dict(options)
        self.problems.extend(problems)
        return values

    def _point_into(self, before: int, path: str, side: str, use: Use) -> None:
        """Let the problems that come from a side's own table point there."""
        own = {f"{path}.{key}" for key in ("name", *use.options)}
        for index in range(before, len(self.problems)):
            problem = self.problems[index]
            if problem.path in own:
                inside = f"{path}.{side}.{problem.path.removeprefix(path + '.')}"
                self.problems[index] = Problem(inside, problem.message, problem.hint, exit_code=problem.exit_code)


def recommended_options(component: Component, size: Size) -> dict[str, Any]:
    """Return the options that a component suggests for images of that size, where it has an opinion."""
    recommended = getattr(component.load(), "recommended", None)
    return dict(recommended(size)) if recommended is not None else {}


def _reference(component: Component, written: str | None) -> str:
    """Keep the provider in the name where the user had to write it."""
    return component.qualified_name if written and "/" in written else component.name


def _contradictions(spec: Spec) -> Iterator[Problem]:
    channels_a, channels_b = spec.data.channels
    identity = spec.objective.identity
    if channels_a != channels_b and (identity.a or identity.b):
        yield Problem(
            "objective.identity",
            f"the identity loss needs equal channels in both domains, but a has {channels_a} and b has {channels_b}",
            "set identity = 0",
        )
    objective = spec.objective
    if not any((*_values(objective.adversarial), *_values(objective.cycle), *_values(identity))):
        yield Problem("objective", "every weight is zero, so there is nothing to learn")


def _values(table: Any) -> tuple[float, ...]:
    return tuple(table.model_dump().values())
