"""Generate the reference pages from the code: spec, commands, components, Python interface, conformance checks.

`python docs/generate.py` writes them; a test fails if they are out of date.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cgkit.cli import COMMANDS, cli
from cgkit.contracts import KINDS, Kind
from cgkit.describe.type_names import bounds, type_name
from cgkit.options import REQUIRED, Option, options_of
from cgkit.plugins import load_plugins
from cgkit.registry import Component, Registry
from cgkit.spec.model import ARRAYS, COMPONENT_TABLES, SIDES, Spec
from cgkit.spec.tables import Use
from cgkit.testing import Check
from cgkit.testing.check import all_checks

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))  # to import the other modules of this folder
import inventory  # noqa: E402
import results  # noqa: E402

HEADER = "<!-- Written by docs/generate.py: change the code, not this page. -->\n\n"


def pages() -> dict[str, str]:
    """Return the text of every generated page, by the path of the page in `docs/`."""
    generators: dict[str, Callable[[], Iterator[str]]] = {
        "reference/spec.md": _describe_spec,
        "reference/cli.md": _describe_commands,
        "reference/components.md": _describe_components,
        "reference/python.md": inventory.page,
        "plugins/conformance.md": _describe_conformance,
    }
    if any((DOCS / "results").glob("*.json")):
        generators["results/README.md"] = results.page
    return {path: HEADER + "\n\n".join(page()) + "\n" for path, page in generators.items()}


def _describe_spec() -> Iterator[str]:
    yield "# The spec, key by key"
    yield (
        "All tables and keys of a spec. A key that a spec leaves out has the value in the column *default*. Unknown "
        'keys are errors. A spec can also extend another one: `extends = "other.toml"`.'
    )
    plain = {name: field for name, field in Spec.model_fields.items() if not _find_model(field)}
    yield "## Top level"
    yield _format_fields(plain)
    for name, field in Spec.model_fields.items():
        model = _find_model(field)
        if model is not None:
            yield from _describe_table(name, model, several=name in ARRAYS)


def _describe_table(name: str, model: type[BaseModel], *, several: bool) -> Iterator[str]:
    yield f"## `[[{name}]]`" if several else f"## `[{name}]`"
    kind = _find_kind(name)
    if kind is None:
        yield inspect.cleandoc(model.__doc__ or "")
    else:
        about = "" if model is Use else inspect.cleandoc(model.__doc__ or "") + " "
        link = f"one of the [{_format_kind(kind)}](components.md#{_format_anchor(kind)})"
        yield (
            f"{about}{'Each such table' if several else 'It'} names {link}. Keys that are not listed here are options "
            f"of that component: `cgkit describe {kind.table} NAME` lists them."
        )
    inner = {key: field for key, field in model.model_fields.items() if _find_model(field)}
    own = {key: field for key, field in model.model_fields.items() if key not in inner}
    if own:
        yield _format_fields(own, kind)
    for key, field in inner.items():
        nested = _find_model(field)
        if name not in SIDES and nested is not None:
            yield f"### `{name}.{field.alias or key}`"
            yield inspect.cleandoc(nested.__doc__ or "")
            yield _format_fields(nested.model_fields)
    if name in SIDES:
        tables = " and ".join(f"`[{name}.{side}]`" for side in SIDES[name])
        yield f"{tables} have the same keys, and each applies to one of the two."


def _format_fields(fields: Mapping[str, FieldInfo], kind: Kind | None = None) -> str:
    rows = []
    for key, field in fields.items():
        annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        meaning = field.description or ("The component; by default that of the kind." if kind else "")
        name, default = field.alias or key, _format_value(field.default)
        rows.append((f"`{name}`", _format_type(annotation), default, _format_bounds(annotation), meaning))
    return _format_table(("key", "type", "default", "bounds", "meaning"), rows)


def _find_model(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a field that holds a table or a list of tables; None for a field of another type."""
    annotations = [field.annotation]
    while annotations:
        annotation = annotations.pop()
        if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
            return annotation
        annotations += get_args(annotation)
    return None


def _find_kind(table: str) -> Kind | None:
    registry = COMPONENT_TABLES.get(table, f"{table}s")
    return next((kind for kind in KINDS if kind.name == registry), None)


def _describe_commands() -> Iterator[str]:
    yield "# The commands"
    yield "Data goes to stdout, messages go to stderr. `--json` prints a single JSON document with a `schema` number."
    context = click.Context(cli, info_name="cgkit")
    yield from _describe_command(cli, context, level=2)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield from _describe_command(command, click.Context(command, info_name=name, parent=context), level=2)


def _describe_command(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    yield f"{'#' * level} `{context.command_path}`"
    yield re.sub(r"\s+", " ", inspect.cleandoc(command.help or "")).strip()
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {pieces}\n```"
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    rows = [_format_command_option(option, context) for option in options]
    if rows:
        yield _format_table(("option", "value", "meaning"), rows)
    if isinstance(command, click.Group) and command is not cli:
        for name, inner in command.commands.items():
            yield from _describe_command(inner, click.Context(inner, info_name=name, parent=context), level + 1)


def _format_command_option(option: click.Option, context: click.Context) -> tuple[str, str, str]:
    value = "" if option.is_flag else f"`{option.make_metavar(context)}`"
    _, meaning = option.get_help_record(context) or ("", "")
    return f"`{', '.join(option.opts)}`", value, meaning.strip()


def _describe_components() -> Iterator[str]:
    yield "# The components"
    yield (
        "The components that ship with cgkit. `cgkit list-components` also lists those of installed plugins, and "
        "`cgkit describe KIND NAME` describes any component. The *default* of a kind is used if a spec names no other."
    )
    for registry in load_plugins(installed=False).registries:
        yield f"## {_format_kind(registry.kind).capitalize()}"
        yield registry.kind.summary
        for component in registry:
            yield from _describe_component(component, registry)


def _describe_component(component: Component, registry: Registry) -> Iterator[str]:
    yield f"### `{component.name}`"
    yield f"{component.summary}{' *Default.*' if component.default else ''}"
    prose = inspect.cleandoc(component.load().__doc__ or "").partition("\nArgs:")[0].partition("\n\n")[2].strip()
    if prose:
        yield prose
    rows = [_format_option(option) for option in options_of(component).values()]
    yield _format_table(("option", "type", "default", "bounds", "meaning"), rows) if rows else "It has no options."


def _format_option(option: Option) -> tuple[str, ...]:
    default = "required" if option.default is REQUIRED else _format_value(option.default)
    return (
        f"`{option.name}`",
        _format_type(option.annotation),
        default,
        _format_bounds(option.annotation),
        option.meaning,
    )


def _describe_conformance() -> Iterator[str]:
    yield "# The conformance kit"
    yield (
        "`cgkit plugins check cgkit-NAME` runs these checks on every component of an installed package, and "
        "`cgkit plugins check FILE.py` on those of a plugin in a single file. `--component halo` checks one component "
        "only, and `--traceback` shows where an exception was raised. To include the checks in the package's own tests:"
    )
    yield (
        "<!-- not run: it is part of a package -->\n"
        "```python\n"
        "from cgkit.testing import conformance\n\n\n"
        '@conformance("cgkit-halo")\n'
        "def test_every_component_keeps_its_contract(check):\n"
        "    check()\n"
        "```"
    )
    checks = all_checks()
    example = next(check.name for check in checks if "generators" in check.kinds)
    yield (
        "Each check becomes a separate test, named after the component and the check. List known failures with their "
        f'reasons: `@conformance("cgkit-halo", expected_failures={{"generators/halo: {example}": "why"}})`. These '
        "checks must then fail."
    )
    yield (
        "Components are built with their defaults. Options without a default come from the component's "
        "[`example(folder)`](contracts.md#example), or from the test: "
        '`options={"generators/halo": {"width": 8}}`. Checks that do not apply to a component pass. Checks that need '
        "something that the machine lacks are skipped. A check that passes may add a note for the author."
    )
    common = [check for check in checks if len(check.kinds) == len(KINDS)]
    yield "## Any component"
    yield _format_checks(common)
    for kind in KINDS:
        yield f"## {_format_kind(kind).capitalize()}"
        yield _format_checks([check for check in checks if kind.name in check.kinds and check not in common])


def _format_checks(checks: Iterable[Check]) -> str:
    return _format_table(("check", "requirement"), [(f"`{check.name}`", check.summary) for check in checks])


def _format_kind(kind: Kind | None) -> str:
    return kind.name.replace("_", " ") if kind else ""


def _format_anchor(kind: Kind | None) -> str:
    return _format_kind(kind).replace(" ", "-")


def _format_type(annotation: Any) -> str:
    return re.sub(r" \| none\b", "", type_name(annotation)).replace(" | ", " or ")


def _format_bounds(annotation: Any) -> str:
    if type_name(annotation).startswith("text"):
        return re.sub(r"at least (\d+) of them, at most (\d+) of them", r"\1 to \2 characters", bounds(annotation))
    return bounds(annotation)


def _format_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(str(part) for part in value)}]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def _format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    for path, text in pages().items():
        (DOCS / path).write_text(text, encoding="utf-8")
