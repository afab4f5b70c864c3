"""Filling a page's template: one file that holds everything, and lets nothing run but its own script."""

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
from cgkit.report.axes import number_text

GENERATOR = 'name="generator" content="cgkit '
"""What stands in the head of every page, by which it is known again."""
HEAD = 4096
"""Characters in which that is found."""


def rendered(template: str, **values: Any) -> str:
    """Return a page. Every value is escaped, whatever a user called things."""
    return _environment().get_template(template).render(values)


def write_page(file: Path, text: str) -> Path:
    """Write a page, all or nothing; return its path.

    Raises:
        UsageError: there is a file of another origin, which is not replaced.
        ResourceError: it cannot be written.
    """
    try:
        if file.exists() and not _is_page(file):
            raise UsageError(f"{file} exists and is no report", hint="choose another --output")
        file.parent.mkdir(parents=True, exist_ok=True)
        # A file's name may hold bytes that are no text.
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
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cgkit.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = _part("page.css"), _part("page.js")
    environment.globals |= {
        "style": Markup(style),
        "script": Markup(script),
        "policy": _policy(style, script),
        "version": metadata.version("cgkit"),
        "curves": curves,
    }
    environment.filters["number"] = number_text
    return environment


def _part(name: str) -> str:
    return files("cgkit.report").joinpath("templates", name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy under which nothing is fetched, and only our style and script count."""
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
