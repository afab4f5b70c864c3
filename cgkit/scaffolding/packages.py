"""New plugin packages, written by `cgkit plugins new` from the templates next to this module."""

from __future__ import annotations

import ast
import keyword
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from string import Template

from cgkit.contracts import Kind
from cgkit.errors import UsageError
from cgkit.plugins import load_plugins

PREFIX = "cgkit-"
"""Prefix of the names of plugin packages, by which they can be found in a package index."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_MAX_LENGTH = 30


def write_package(name: str, kind: Kind, folder: Path) -> Path:
    """Write a complete package with one small working component, its tests and a README.

    Args:
        name: the name of the component; the name of the package, `cgkit-NAME`, is also accepted.
        kind: the kind of the component.
        folder: the folder in which to create the package's folder, `cgkit-NAME`; created if missing.

    Returns:
        The package's folder.

    Raises:
        UsageError: the name is invalid or taken, or the package's folder is not empty or cannot be written.
    """
    name = name.removeprefix(PREFIX)
    _check_name(name, kind)
    target = folder / f"{PREFIX}{name}"
    try:
        if target.is_dir() and any(target.iterdir()):
            raise UsageError(f"{target} exists and is not empty", hint="choose another name or another folder")
        for path, text in _render(name, kind):
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8", newline="\n") as new:
                new.write(text)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}") from error
    return target


def _check_name(name: str, kind: Kind) -> None:
    """Check that `name` is valid for a component, a package and a class, and not taken by a built-in component."""
    if not _NAME.fullmatch(name) or len(name) > _MAX_LENGTH:
        raise UsageError(
            f"{name!r} is not a valid plugin name",
            hint=f"use up to {_MAX_LENGTH} lower-case letters, digits and hyphens, starting with a letter",
        )
    if keyword.iskeyword(name) or keyword.iskeyword(name.capitalize()) or keyword.issoftkeyword(name):
        raise UsageError(f"{name!r} is a Python keyword", hint="choose another name")
    if name in {component.name for component in load_plugins(installed=False).registries[kind.name]}:
        # If a built-in component has this name too, a spec with the name is ambiguous.
        raise UsageError(f"there is already a built-in {_noun(kind)} {name!r}", hint="choose another name")


def _render(name: str, kind: Kind) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every file of the package."""
    package = f"{PREFIX}{name}".replace("-", "_")
    values = {
        "name": name,
        "distribution": f"{PREFIX}{name}",
        "package": package,
        "registry": kind.name,
        "table": kind.table,
        "noun": _noun(kind),
        "component": _class_name(name, kind),
    }
    component = _fill(f"{kind.table}/component.py", values)
    values["summary"] = _summary(component, values["component"])
    values["dependencies"] = "\n".join(f'  "{requirement}",' for requirement in _requirements(component))
    values["use"] = _show_use(kind, values)
    yield "pyproject.toml", _fill("package/pyproject.toml", values)
    yield "README.md", _fill("package/README.md", values)
    yield ".gitignore", _fill("package/gitignore", values)
    yield f"{package}/__init__.py", _fill("package/__init__.py", values)
    yield f"{package}/{kind.table}.py", component
    yield f"{package}/py.typed", ""
    yield f"tests/test_{name.replace('-', '_')}.py", _fill(f"{kind.table}/test.py", values)


def _show_use(kind: Kind, values: dict[str, str]) -> str:
    """Return the part of the README that uses the component in a spec or, if no spec can, in a command."""
    if not kind.in_spec:
        return f"```sh\n{_fill(f'{kind.table}/command.sh', values)}```"
    return f'```toml\nrequires = ["{values["distribution"]}"]\n\n{_fill(f"{kind.table}/spec.toml", values)}```'


def _fill(template: str, values: dict[str, str]) -> str:
    text = files("cgkit.scaffolding").joinpath("templates", f"{template}.template").read_text(encoding="utf-8")
    return Template(text).substitute(values)


def _noun(kind: Kind) -> str:
    return kind.table.replace("_", " ")


def _class_name(name: str, kind: Kind) -> str:
    """Return the name of the component's class: `DeepResnetGenerator` for the generator `deep-resnet`."""
    suffix = kind.table.replace("_", "-")
    words = f"{name.removesuffix(f'-{suffix}')}-{suffix}".split("-")
    return "".join(word.capitalize() for word in words)


def _summary(source: str, component: str) -> str:
    """Return the first line of a class's docstring."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == component:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    raise LookupError(component)


def _requirements(source: str) -> list[str]:
    """Return the requirements of a module: cgkit, and the third-party packages that it imports."""
    nodes = list(ast.walk(ast.parse(source)))
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    packages = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - {"cgkit", "__future__"}
    return [f"cgkit>={metadata.version('cgkit')}", *sorted(package.replace("_", "-") for package in packages)]
