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


def render(template: str, package: str = "cgkit.report", **values: Any) -> str:
    """Render a template of a package, which may extend those of reports; values are escaped for HTML."""
    return _create_environment(package).get_template(template).render(values)


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
def _create_environment(package: str) -> jinja2.Environment:
    places = dict.fromkeys((package, "cgkit.report"))
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(place) for place in places]),
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
        "served_policy": _build_policy(style, script, own=" 'self'"),
        "version": metadata.version("cgkit"),
        "curves": curves,
    }
    environment.filters["number"] = format_number
    return environment


def _read_template(name: str) -> str:
    return files("cgkit.report").joinpath("templates", name).read_text(encoding="utf-8")


def _build_policy(style: str, script: str, own: str = "") -> str:
    """Return a Content-Security-Policy that allows only our own style and script, and no requests but to `own`."""
    requests = f" connect-src{own};" if own else ""
    images, forms = (f"data: blob:{own}", own) if own else ("data:", "'none'")
    return (
        f"default-src 'none'; img-src {images};{requests} style-src {_hash(style)}{own}; "
        f"script-src {_hash(script)}{own}; base-uri 'none'; form-action {forms}"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
