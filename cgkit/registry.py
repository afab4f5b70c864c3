"""Registries of the components of each kind, by name and provider."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib.util
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cgkit.contracts import KINDS, Kind
from cgkit.errors import CgkitError, PluginError, UnknownComponentError, did_you_mean
from cgkit.packages import install_hint

BUILT_IN = "cgkit"
"""The provider of the built-in components."""

NONE_LOADED = "no plugin that is loaded has any; install a package with one, or use --plugin FILE.py"

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_REFERENCE = re.compile(r"[\w.]+:\w+")


@dataclass(frozen=True)
class Component:
    """A registered component.

    Attributes:
        kind: the kind of the component.
        name: the name of the component in a spec.
        provider: the package that registered it, or the file name of a plugin in a single file.
        target: the callable itself, or `"module:attribute"`, which is imported on first use.
        given_summary: the summary with which the component was registered, if any.
        default: whether the component is used if a spec names no component of its kind.
        fallback: whether the component is used if none of the components that a spec names applies.
        deprecated: what to use instead of the component; None if it is not deprecated.
        registries: the registries in which the component's own options find other components.
    """

    kind: Kind
    name: str
    provider: str
    target: Callable[..., Any] | str
    given_summary: str | None = None
    default: bool = False
    fallback: bool = False
    deprecated: str | None = None
    registries: Registries | None = field(default=None, compare=False, repr=False)

    @property
    def qualified_name(self) -> str:
        """The component's unique name within its kind: `provider/name`."""
        return f"{self.provider}/{self.name}"

    @cached_property
    def summary(self) -> str:
        """One sentence for listings: the given summary, else the first line of the target's docstring, if any.

        A target given as `"module:attribute"` is not imported; its docstring is read from the source file.
        """
        if self.given_summary is not None:
            return self.given_summary
        # Not inspect.getdoc, which would fall back on the docstring of a base class.
        target = self.target
        documented = _read_docstring(target) if isinstance(target, str) else definition_of(target).__doc__
        return inspect.cleandoc(documented or "").partition("\n")[0]

    def __str__(self) -> str:
        return f'{_noun(self.kind)} "{self.name}" of {self.provider}'

    @property
    def definition(self) -> Callable[..., Any]:
        """The class or function that builds the component, which has its docstring and optional static methods.

        Raises:
            PluginError: see `load`.
        """
        return definition_of(self.load())

    def load(self) -> Callable[..., Any]:
        """Return the callable that builds the component, importing it if necessary.

        Raises:
            PluginError: the target cannot be imported, or is not callable.
        """
        if not isinstance(self.target, str):
            return self.target
        module_name, _, attribute = self.target.partition(":")
        try:
            # A plugin's module may print, but stdout is reserved for the output of the command.
            with contextlib.redirect_stdout(sys.stderr):
                target = getattr(importlib.import_module(module_name), attribute)
        except CgkitError:
            raise
        except (Exception, SystemExit) as error:  # a plugin's module may raise any exception
            hint = install_hint(error, self.provider)
            if "torchvision::" in str(error):
                hint = "torch and torchvision do not fit together: install both again, pip install -U torch torchvision"
            raise PluginError(f"{self} cannot be loaded: {describe_exception(error)}", hint=hint) from error
        if not callable(target):
            raise PluginError(f"{self} cannot be used: {self.target} is not callable")
        return target  # type: ignore[no-any-return]


class Registry:
    """The components of one kind, by name."""

    def __init__(self, kind: Kind, provider: str, registries: Registries | None = None) -> None:
        self.kind = kind
        self._provider = provider
        self._registries = registries
        self._components: dict[str, list[Component]] = {}

    def add(
        self,
        name: str,
        target: Callable[..., Any] | str,
        *,
        summary: str | None = None,
        default: bool = False,
        fallback: bool = False,
        deprecated: str | None = None,
    ) -> None:
        """Register a component.

        Args:
            name: the component's name in a spec: lower-case letters, digits and hyphens.
            target: a class or function, or `"module:attribute"`, which is imported on first use.
            summary: one sentence for listings; by default the first line of the target's docstring.
            default: whether to use the component if a spec names no component of its kind. Only for built-in
                components: the meaning of a spec must not depend on the installed plugins.
            fallback: whether to use the component if none of the components that a spec names applies. Only for
                built-in components.
            deprecated: what to use instead, such as `use "hinge"`; a spec that names the component still works, with a
                warning.

        Raises:
            PluginError: the name or target is malformed, this plugin has already registered the name, or a plugin other
                than the built-in one sets `default` or `fallback`.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise PluginError(f"{name!r} is not a valid component name: use lower-case letters, digits and hyphens")
        if isinstance(target, str) and not _REFERENCE.fullmatch(target):
            raise PluginError(f'{target!r} is not a valid target: write "module:attribute"')
        if not isinstance(target, str) and not callable(target):
            raise PluginError(f"the target of {name!r} is neither callable nor a string")
        self._check_option_names(name, target)
        if (default or fallback) and self._provider != BUILT_IN:
            raise PluginError(
                f"{name!r} cannot be a default: the meaning of a spec must not depend on the installed plugins"
            )
        if name in self._components:
            raise PluginError(f"{_noun(self.kind)} {name!r} is registered twice by {self._provider}")
        component = Component(
            self.kind, name, self._provider, target, summary, default, fallback, deprecated, self._registries
        )
        self._components[name] = [component]

    def _check_option_names(self, name: str, target: Callable[..., Any] | str) -> None:
        """Refuse options that are called like a key of the component's table, unless the target is imported later."""
        if isinstance(target, str):
            return
        with contextlib.suppress(TypeError, ValueError):  # a faulty signature is reported when the component is used
            for parameter in inspect.signature(target).parameters.values():
                if parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.name in self.kind.keys:
                    raise PluginError(
                        f"an option of {_noun(self.kind)} {name!r} cannot be called {parameter.name!r}, because its "
                        "table in a spec has that key"
                    )

    def merge(self, other: Registry) -> None:
        """Add the components of another registry of the same kind; a name may then have several providers."""
        for name, components in other._components.items():
            owned = [replace(component, registries=self._registries) for component in components]
            self._components.setdefault(name, []).extend(owned)

    def __getitem__(self, name: str) -> Component:
        """Return the component called `name`, which may be `provider/name`.

        A name without a provider means the built-in component of that name, if there is one.

        Raises:
            UnknownComponentError: no component has that name.
            PluginError: several packages provide the name, and it does not include the provider.
        """
        provider, _, bare = name.rpartition("/")
        providers = self._components.get(bare, [])
        matches = [component for component in providers if provider in ("", component.provider)]
        if not provider:
            matches = [component for component in matches if component.provider == BUILT_IN] or matches
        if not matches:
            known = sorted({component.qualified_name if provider else component.name for component in self})
            raise UnknownComponentError(
                f'no {_noun(self.kind)} is called "{name}"',
                hint=did_you_mean(name, known) or (f"available: {', '.join(known)}" if known else NONE_LOADED),
            )
        if len(matches) > 1:
            choices = " or ".join(f'"{component.qualified_name}"' for component in matches)
            raise PluginError(
                f'{_noun(self.kind)} "{name}" is provided by several packages',
                hint=f"write {choices}",
            )
        return matches[0]

    def choose(self, name: str | None) -> Component:
        """Return the component called `name`, or the first default component if `name` is None.

        Raises:
            UnknownComponentError: no component has that name, or there is no default.
            PluginError: several packages provide the name, and it does not include the provider.
        """
        defaults = self.defaults()
        return defaults[0] if name is None and defaults else self[name or ""]

    def reference(self, component: Component) -> str:
        """Return the shortest unambiguous name of a component."""
        is_plain = component.provider == BUILT_IN or len(self._components[component.name]) == 1
        return component.name if is_plain else component.qualified_name

    def __iter__(self) -> Iterator[Component]:
        """Yield every component, sorted by name and provider."""
        for name in sorted(self._components):
            yield from sorted(self._components[name], key=lambda component: component.provider)

    def __len__(self) -> int:
        return sum(len(components) for components in self._components.values())

    def defaults(self) -> tuple[Component, ...]:
        """Return the components to use if a spec names none of this kind, in order of registration."""
        return tuple(
            component for components in self._components.values() for component in components if component.default
        )

    def fallbacks(self) -> tuple[Component, ...]:
        """Return the components to use if none of those that a spec names applies, in order of registration."""
        return tuple(
            component for components in self._components.values() for component in components if component.fallback
        )


class Registries:
    """One registry for each kind, as attributes with plural names; passed to the hook `cgkit_register`."""

    def __init__(self, provider: str = BUILT_IN) -> None:
        self._registries = {kind.name: Registry(kind, provider, self) for kind in KINDS}
        self.generators = self._registries["generators"]
        self.discriminators = self._registries["discriminators"]
        self.adversarial_losses = self._registries["adversarial_losses"]
        self.reconstruction_losses = self._registries["reconstruction_losses"]
        self.terms = self._registries["terms"]
        self.augmentations = self._registries["augmentations"]
        self.sources = self._registries["sources"]
        self.optimizers = self._registries["optimizers"]
        self.schedules = self._registries["schedules"]
        self.metrics = self._registries["metrics"]
        self.trackers = self._registries["trackers"]
        self.exporters = self._registries["exporters"]
        self.formats = self._registries["formats"]

    def __getitem__(self, kind: str) -> Registry:
        return self._registries[kind]

    def __iter__(self) -> Iterator[Registry]:
        return iter(self._registries.values())

    def merge(self, other: Registries) -> None:
        """Add the components of another set of registries, kind by kind."""
        for registry in self:
            registry.merge(other[registry.kind.name])


def definition_of(target: Callable[..., Any]) -> Callable[..., Any]:
    """Return the class or function behind a callable: that of a `functools.partial`, or the class of another object."""
    while isinstance(target, functools.partial):
        target = target.func
    return target if inspect.isclass(target) or inspect.isroutine(target) else type(target)


def describe_exception(error: BaseException) -> str:
    """Return the type and message of an exception in one line."""
    try:
        text = textwrap.shorten(str(error), 500, placeholder=" ...")
    except Exception:  # noqa: BLE001 - a plugin's exception may fail even here
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _noun(kind: Kind) -> str:
    return kind.table.replace("_", " ")


def _read_docstring(reference: str) -> str | None:
    """Return the docstring of `"module:attribute"` from the module's source; None if not found or not parsable."""
    module, _, attribute = reference.partition(":")
    try:
        # `find_spec` imports the parent packages; what they print must not end up in a command's output.
        with contextlib.redirect_stdout(sys.stderr):
            spec = importlib.util.find_spec(module)
        source = Path(spec.origin).read_bytes()  # type: ignore[union-attr, arg-type]
        definitions = ast.parse(source).body
    except (Exception, SystemExit):  # noqa: BLE001 - a plugin's package may raise anything
        return None
    for definition in definitions:
        if isinstance(definition, ast.ClassDef | ast.FunctionDef) and definition.name == attribute:
            return ast.get_docstring(definition)
    return None
