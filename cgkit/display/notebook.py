"""A run below a cell of a Jupyter notebook."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from types import TracebackType
from typing import Self

from cgkit.display.reporter import Progress
from cgkit.display.terminal import describe

INTERVAL = 0.5
"""Seconds between two updates."""


class NotebookReporter:
    """Shows the header of a run, its progress, its newest sheet and its messages, in one output that it updates."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html: Callable[[str], object] = HTML
        self._parts: dict[str, str] = {}
        self._handle = display(self._html(""), display_id=True)
        self._updated = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parts.pop("stage", None)
        self._update()

    def begin(self, title: str, facts: Mapping[str, str]) -> None:
        """Show a title, and facts as a table."""
        rows = "".join(f"<tr><td>{escape(label)}</td><td>{escape(fact)}</td></tr>" for label, fact in facts.items())
        self._show("facts", f"<b>{escape(title)}</b><table>{rows}</table>")

    def stage(self, text: str) -> None:
        """Show what the run does now."""
        self._show("stage", f"<i>{escape(text)} ...</i>")

    def progress(self, progress: Progress) -> None:
        """Move the bar."""
        self._parts.pop("stage", None)
        bar = f'<progress value="{progress.step}" max="{progress.steps}"></progress>'
        self._parts["progress"] = f"<div>{bar} {'<br>'.join(map(escape, describe(progress)))}</div>"
        if time.monotonic() - self._updated >= INTERVAL or progress.step == progress.steps:
            self._update()

    def sheet(self, step: int, file: Path) -> None:
        """Show the newest sheet."""
        data = base64.b64encode(file.read_bytes()).decode()
        self._show("sheet", f'<img alt="samples of step {step}" src="data:image/png;base64,{data}">')

    def message(self, text: str) -> None:
        """Show a message."""
        self._show(f"message {len(self._parts)}", f"<div>{escape(text)}</div>")

    def warning(self, text: str, traceback: str = "") -> None:
        """Show a warning."""
        self._show(f"warning {len(self._parts)}", f'<div style="color:#b45309">warning: {escape(text)}</div>')

    def _show(self, part: str, html: str) -> None:
        if part != "stage":
            self._parts.pop("stage", None)
        self._parts[part] = html
        self._update()

    def _update(self) -> None:
        self._updated = time.monotonic()
        if self._handle is not None:
            self._handle.update(self._html("".join(self._parts.values())))
