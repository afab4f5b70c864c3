"""New plugin packages, written by `cgkit plugins new` from the templates next to this module."""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Iterator
from pathlib import Path

from cgkit.contracts import Kind
from cgkit.errors import UsageError
from cgkit.plugins import Plugins, load_plugins
from cgkit.scaffolding.component import NewComponent, refuse_name

PREFIX = "cgkit-"
"""Prefix of the names of plugin packages, by which they can be found in a package index."""


def write_package(name: str, kind: Kind, folder: Path, plugins: Plugins | None = None) -> Path:
    """Write a complete package with one small working component, its tests and a README.

    Args:
        name: the name of the component; the name of the package, `cgkit-NAME`, is also accepted.
        kind: the kind of the component.
        folder: the folder in which to create the package's folder, `cgkit-NAME`; created if missing.
        plugins: the loaded plugins, whose names are taken; by default all that are installed.

    Returns:
        The package's folder.

    Raises:
        UsageError: the name is invalid or taken, or the package's folder is not empty or cannot be written.
    """
    name = name.removeprefix(PREFIX)
    refuse_name(name, kind, plugins or load_plugins())
    distribution = f"{PREFIX}{name}"
    component = NewComponent(name, kind, distribution, distribution.replace("-", "_"), kind.table)
    target = folder / distribution
    try:
        if target.is_dir() and any(target.iterdir()):
            raise UsageError(f"{target} exists and is not empty", hint="choose another name or another folder")
        for path, text in _render(component):
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8", newline="\n") as new:
                new.write(text)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}") from error
    return target


def _render(component: NewComponent) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every file of the package."""
    fill, package = component.fill, component.package
    dependencies = "\n".join(f'  "{requirement}",' for requirement in component.requirements())
    registration = textwrap.indent(component.registration("registries"), "    ")
    yield "pyproject.toml", fill("package/pyproject.toml", dependencies=dependencies)
    yield "README.md", fill("package/README.md", summary=component.summary, use=_show_use(component))
    yield "LICENSE", fill("package/LICENSE", year=str(datetime.date.today().year))
    yield ".gitignore", fill("package/gitignore")
    yield ".github/workflows/test.yml", fill("package/workflow.yml")
    yield f"{package}/__init__.py", fill("package/__init__.py", registration=registration)
    yield f"{package}/{component.module}.py", component.source
    yield f"{package}/py.typed", ""
    yield "tests/test_contract.py", fill("package/test_contract.py")
    yield f"tests/test_{component.module}.py", component.test


def _show_use(component: NewComponent) -> str:
    """Return the part of the README that uses the component in a spec or, if no spec can, in a command."""
    if not component.kind.in_spec:
        return f"```sh\n{component.fill(f'{component.kind.table}/command.sh')}```"
    spec = component.fill(f"{component.kind.table}/spec.toml")
    return f'```toml\nrequires = ["{component.distribution}"]\n\n{spec}```'
