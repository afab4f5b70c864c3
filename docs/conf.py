"""Sphinx configuration: plain Markdown, parsed by MyST."""

from __future__ import annotations

project = "cgkit"
author = "the cgkit authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = "cgkit"
myst_heading_anchors = 4
exclude_patterns = ["_build"]
