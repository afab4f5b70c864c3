"""A new component: its name, module and test, written from the templates of its kind."""

from __future__ import annotations

import ast
import keyword
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from importlib.resources import files
from string import Template

from cgkit.contracts import Kind
from cgkit.errors import UsageError
from cgkit.plugins import Plugins

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_MAX_LENGTH = 30


@dataclass(frozen=True)
class NewComponent:
    """A component to write.

    Attributes:
        name: the name of the component in a spec.
        kind: the kind of the component.
        distribution: the package that it belongs to: `cgkit-halo`.
        package: the Python package of that name: `cgkit_halo`.
        module: the name of its module in the Python package.
    """

    name: str
    kind: Kind
    distribution: str
    package: str
    module: str

    @property
    def class_name(self) -> str:
        """The name of the component's class: `DeepResnetGenerator` for the generator `deep-resnet`."""
        return class_name(self.name, self.kind)

    @cached_property
    def source(self) -> str:
        """The text of the component's module."""
        return self.fill(f"{self.kind.table}/component.py")

    @property
    def test(self) -> str:
        """The text of the component's test."""
        return self.fill(f"{self.kind.table}/test.py")

    @property
    def summary(self) -> str:
        """The first line of the docstring of the component's class."""
        for node in ast.parse(self.source).body:
            if isinstance(node, ast.ClassDef) and node.name == self.class_name:
                return (ast.get_docstring(node) or "").partition("\n")[0]
        raise LookupError(self.class_name)

    def registration(self, registries: str) -> str:
        """Return the statement that registers the component, given the name of the hook's parameter."""
        return self.fill("registration.py", registries=registries, summary=self.summary)

    def requirements(self) -> list[str]:
        """Return the requirements of the component's module: cgkit, and the third-party packages that it imports."""
        nodes = list(ast.walk(ast.parse(self.source)))
        modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        modules |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        packages = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - {"cgkit", "__future__"}
        return [f"cgkit>={metadata.version('cgkit')}", *sorted(package.replace("_", "-") for package in packages)]

    def fill(self, template: str, **more: str) -> str:
        """Return the text of a template with the component's names filled in."""
        text = files("cgkit.scaffolding").joinpath("templates", f"{template}.template").read_text(encoding="utf-8")
        names = {
            "name": self.name,
            "distribution": self.distribution,
            "package": self.package,
            "module": self.module,
            "registry": self.kind.name,
            "table": self.kind.table,
            "noun": self.kind.table.replace("_", " "),
            "component": self.class_name,
        }
        return Template(text).substitute({**names, **more})


def class_name(name: str, kind: Kind) -> str:
    """Return the name of a component's class: `DeepResnetGenerator` for the generator `deep-resnet`."""
    return "".join(word.capitalize() for word in _words(name, kind))


def module_name(name: str, kind: Kind) -> str:
    """Return the name of a component's module: `deep_resnet_generator` for the generator `deep-resnet`."""
    return "_".join(_words(name, kind))


def refuse_name(name: str, kind: Kind, plugins: Plugins) -> None:
    """Refuse a name that is not valid for a component, a package and a class, or that a component has already.

    Raises:
        UsageError: the name is invalid or taken.
    """
    if not _NAME.fullmatch(name) or len(name) > _MAX_LENGTH:
        raise UsageError(
            f"{name!r} is not a valid plugin name",
            hint=f"use up to {_MAX_LENGTH} lower-case letters, digits and hyphens, starting with a letter",
        )
    if keyword.iskeyword(name) or keyword.iskeyword(name.capitalize()) or keyword.issoftkeyword(name):
        raise UsageError(f"{name!r} is a Python keyword", hint="choose another name")
    for component in plugins.registries[kind.name]:
        if component.name == name:  # a spec with the name would be ambiguous
            raise UsageError(f"there is already a {component}", hint="choose another name")


def _words(name: str, kind: Kind) -> list[str]:
    suffix = kind.table.replace("_", "-")
    return f"{name.removesuffix(f'-{suffix}')}-{suffix}".split("-")
