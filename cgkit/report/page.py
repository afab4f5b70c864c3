"""Render and write self-contained HTML pages, which run only their own scripts."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from cgkit.errors import ResourceError, UsageError
from cgkit.files.atomic import replace_text
from cgkit.report import curves
from cgkit.report.axes import format_number

GENERATOR = 'name="generator" content="cgkit '
"""The text in the head of every page that identifies the page as a report."""
HEAD = 4096
"""The number of characters at the start of a file that are searched for `GENERATOR`."""


def render(template: str, **values: Any) -> str:
    """Render a template; values are escaped for HTML."""
    return _create_environment().get_template(template).render(values)


def write_page(file: Path, text: str) -> Path:
    """Write a page atomically; return its path.

    Raises:
        UsageError: the file exists and is not a report.
        ResourceError: the page cannot be written.
    """
    try:
        if file.exists() and not _is_page(file):
            raise UsageError(f"{file} exists and is not a report", hint="choose another --output")
        file.parent.mkdir(parents=True, exist_ok=True)
        # File names in the page may contain bytes that are not valid UTF-8 and cannot be encoded.
        replace_text(file, text.encode("utf-8", "replace").decode("utf-8"))
    except OSError as error:
        raise ResourceError(f"{file} cannot be written: {error.strerror or error}") from error
    return file


def _is_page(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open(encoding="utf-8", errors="replace") as stream:
        return GENERATOR in stream.read(HEAD)


@cache
def _create_environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cgkit.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = _read_template("page.css"), _read_template("page.js")
    environment.globals |= {
        "style": Markup(style),
        "script": Markup(script),
        "policy": _build_policy(style, script),
        "version": metadata.version("cgkit"),
        "curves": curves,
    }
    environment.filters["number"] = format_number
    return environment


def _read_template(name: str) -> str:
    return files("cgkit.report").joinpath("templates", name).read_text(encoding="utf-8")


def _build_policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy that forbids all requests and allows only our own style and script."""
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
