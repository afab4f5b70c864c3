"""A component added to an existing package, by `cgkit plugins new --package`."""

from __future__ import annotations

import ast
import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgkit.contracts import Kind
from cgkit.errors import UsageError
from cgkit.files.atomic import replace_text
from cgkit.files.reading import read_text
from cgkit.packages import required_name
from cgkit.plugins import GROUP, Plugins, load_plugins
from cgkit.scaffolding.component import NewComponent, module_name, refuse_name

_HOOK = "cgkit_register"


@dataclass(frozen=True)
class Extension:
    """What was added to a package.

    Attributes:
        distribution: the name of the package.
        files: the new files, relative to the package's folder: the module and its test.
        missing: the requirements of the module that the package does not declare.
    """

    distribution: str
    files: tuple[str, ...]
    missing: tuple[str, ...]


def extend_package(name: str, kind: Kind, folder: Path, plugins: Plugins | None = None) -> Extension:
    """Add a small working component to a package: its module, its test and its registration.

    Args:
        name: the name of the component.
        kind: the kind of the component.
        folder: the folder of the package, with its pyproject.toml.
        plugins: the loaded plugins, whose names are taken; by default all that are installed.

    Raises:
        UsageError: the name is invalid or taken, the folder has no package with a plugin that registers components in
            the usual way, or a file exists or cannot be written. Nothing is changed then.
    """
    refuse_name(name, kind, plugins or load_plugins())
    project = _read_project(folder)
    entry_points = list(project.get("entry-points", {}).get(GROUP, {}).values())
    if "name" not in project or not entry_points:
        raise UsageError(f"{folder / 'pyproject.toml'} names no plugin", hint=f"add [project.entry-points.{GROUP}]")
    plugin = str(entry_points[0]).partition(":")[0]
    root = _find_package(folder, plugin)
    component = NewComponent(name, kind, str(project["name"]), plugin, module_name(name, kind))
    registered = _register(component, root / "__init__.py")
    new = {root / f"{component.module}.py": component.source}
    new[folder / "tests" / f"test_{component.module}.py"] = component.test
    _write(new, root / "__init__.py", registered)
    declared = {required_name(text) for text in project.get("dependencies", ())}
    missing = tuple(text for text in component.requirements() if required_name(text) not in declared)
    return Extension(component.distribution, tuple(file.relative_to(folder).as_posix() for file in new), missing)


def _read_project(folder: Path) -> dict[str, Any]:
    file = folder / "pyproject.toml"
    try:
        return dict(tomllib.loads(read_text(file)).get("project", {}))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error


def _find_package(folder: Path, plugin: str) -> Path:
    for parent in (folder, folder / "src"):
        if (root := parent.joinpath(*plugin.split("."))).is_dir():
            return root
    raise UsageError(f"{folder} has no package {plugin}, which its entry point names")


def _register(component: NewComponent, file: Path) -> str:
    """Return the text of the package's module with the component's registration at the end of the hook."""
    try:
        text = read_text(file)
        functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    except (OSError, ValueError, SyntaxError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    hook = next((node for node in functions if node.name == _HOOK and node.args.args), None)
    if hook is None or hook.body[0].lineno == hook.lineno:
        raise UsageError(
            f"{file} has no function {_HOOK} to extend", hint="register the component where the others are"
        )
    if _registers(hook, component):
        raise UsageError(f"{file} already registers {component.name!r}", hint="choose another name")
    lines = text.splitlines(keepends=True)
    end = hook.end_lineno or len(lines)
    before = "".join(lines[:end]).rstrip("\n")
    statement = textwrap.indent(component.registration(hook.args.args[0].arg), " " * hook.body[0].col_offset)
    return f"{before}\n{statement}{''.join(lines[end:])}"


def _registers(hook: ast.FunctionDef, component: NewComponent) -> bool:
    """Return whether a hook calls `registries.KIND.add` with the component's name."""
    return any(
        isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith(f"{component.kind.name}.add")
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == component.name
        for node in ast.walk(hook)
    )


def _write(new: dict[Path, str], changed: Path, text: str) -> None:
    """Write new files, and then the text of a changed one; if anything fails, remove the new files."""
    written: list[Path] = []
    try:
        for file, content in new.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8", newline="\n") as stream:
                written.append(file)
                stream.write(content)
        replace_text(changed, text)
    except OSError as error:
        for file in written:
            file.unlink(missing_ok=True)
        raise UsageError(f"{error.filename or changed} cannot be written: {error.strerror or error}") from error
