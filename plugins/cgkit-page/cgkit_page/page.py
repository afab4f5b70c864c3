"""Put together a page: the templates, the runtime, the networks and what is known about the model."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from cgkit.contracts import ExportedDirection, ModelFacts
from cgkit_page.classic_script import to_classic
from cgkit_page.runtime import LICENCE, VERSION, Runtime

PAGE_SCRIPTS = ("data.js", "markdown.js", "pictures.js", "translator.js", "comparison.js", "about.js", "page.js")
WORKER_SCRIPTS = ("resizing.js", "windows.js", "network.js", "worker.js")

WHOLE = 1_000_000
"""Images of up to this many pixels are translated whole, unless the network's features take too much memory."""
_MEMORY = 600e6
"""Bytes that a browser is trusted to have for the features of an image."""
_LIVE = 4
"""Number of feature maps that are in memory at once."""

_BASE85 = bytes.maketrans(b"<>&", b".,/")
"""Python's alphabet has three letters that mean something in HTML."""

POLICY = (
    "default-src 'none'; script-src {script} 'wasm-unsafe-eval'; style-src {style}; img-src {own} blob: data:;"
    " worker-src {worker}; connect-src {connect}; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True)
class Content:
    """What both forms of a page consist of.

    Attributes:
        title: the title of the page.
        script: the script of the page.
        style: its style sheet.
        worker: the script of the worker, which contains the runtime.
        data: the runtime's WebAssembly, the networks and the facts, compressed with gzip, by name.
    """

    title: str
    script: str
    style: str
    worker: str
    data: Mapping[str, bytes]


def write_page(
    directions: Sequence[ExportedDirection],
    features: Mapping[str, int],
    facts: ModelFacts,
    runtime: Runtime,
    file: Path,
) -> None:
    """Write a page that is opened from disk: one file, which no connection ever leaves.

    Args:
        directions: the directions of the model.
        features: the bytes of the largest feature map per pixel of an image, by direction.
        facts: what is known about the model.
        runtime: the program that runs the networks.
        file: the file to write.
    """
    content = _collect(directions, features, facts, runtime)
    policy = POLICY.format(
        script=_digest(content.script), style=_digest(content.style), own="", worker="blob:", connect="'none'"
    )
    data = {"worker": _compress(content.worker.encode()), **content.data}
    embedded = {name: base64.b85encode(packed).translate(_BASE85).decode() for name, packed in data.items()}
    file.write_text(_render(content, policy, embedded), encoding="utf-8")


def write_folder(
    directions: Sequence[ExportedDirection],
    features: Mapping[str, int],
    facts: ModelFacts,
    runtime: Runtime,
    file: Path,
) -> None:
    """Write a page for a web server: a folder with `index.html`, which only takes files from its own server."""
    content = _collect(directions, features, facts, runtime)
    policy = POLICY.format(script="'self'", style="'self'", own="'self'", worker="'self'", connect="'self'")
    file.mkdir()
    texts = {
        "index.html": _render(content, policy, None),
        "page.js": content.script,
        "page.css": content.style,
        "worker.js": content.worker,
    }
    for name, text in texts.items():
        (file / name).write_text(text, encoding="utf-8")
    for name, packed in content.data.items():
        (file / f"{name}.bin").write_bytes(packed)


def _collect(
    directions: Sequence[ExportedDirection], features: Mapping[str, int], facts: ModelFacts, runtime: Runtime
) -> Content:
    known = _to_json(directions, features, facts, runtime)
    return Content(
        title=facts.name,
        script=f'"use strict";\n(() => {{\n{_join(PAGE_SCRIPTS)}}})();\n',
        style=_read("page.css"),
        worker=to_classic(runtime.script) + _join(WORKER_SCRIPTS),
        data={
            "facts": _compress(json.dumps(known).encode()),
            "wasm": _compress(runtime.wasm),
            **{part.direction: _compress(part.file.read_bytes()) for part in directions},
        },
    )


def _to_json(
    directions: Sequence[ExportedDirection], features: Mapping[str, int], facts: ModelFacts, runtime: Runtime
) -> dict[str, Any]:
    """Return what the page needs to know."""
    return {
        "name": facts.name,
        "card": facts.card,
        "licence": facts.licence,
        "scores": facts.scores,
        "cgkit": version("cgkit"),
        "runtime": {"version": VERSION, "licence": LICENCE, "webgpu": runtime.webgpu},
        "directions": [
            {
                "direction": part.direction,
                "names": part.names,
                "channels": part.channels,
                "stride": part.stride,
                "size": part.size,
                "scale": part.trained_scale,
                "background": part.background,
                "keepsAlpha": part.keeps_alpha,
                "difference": part.difference,
                "whole": int(min(WHOLE, _MEMORY / (_LIVE * max(1, features[part.direction])))),
            }
            for part in directions
        ],
        "samples": [
            {
                "direction": sample.direction,
                "image": _to_url(sample.image),
                "translation": _to_url(sample.translation),
                "caption": sample.caption,
            }
            for sample in facts.samples
        ],
    }


def _render(content: Content, policy: str, embedded: Mapping[str, str] | None) -> str:
    template = Environment(autoescape=True).from_string(_read("page.html"))
    return template.render(
        title=content.title,
        policy=policy,
        embedded=None if embedded is None else {name: Markup(text) for name, text in embedded.items()},
        script=Markup(content.script),
        style=Markup(content.style),
    )


def _join(names: Sequence[str]) -> str:
    return "\n".join(_read(name) for name in names)


def _read(name: str) -> str:
    return (files("cgkit_page") / "templates" / name).read_text(encoding="utf-8")


def _compress(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _to_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
