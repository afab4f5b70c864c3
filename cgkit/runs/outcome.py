"""How a run ended."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

from cgkit.evaluation.numbers import Number
from cgkit.files.reading import read_bytes
from cgkit.images.sheet import LARGEST
from cgkit.runs.folder import RunFolder


@dataclass(frozen=True)
class Outcome:
    """How a run ended: `finished`, with the scores of its model, or `stopped`, so that the run can be resumed.

    Attributes:
        state: `finished` or `stopped`.
        folder: the run folder.
        step: the number of completed steps.
        scores: the scores of the final model; none if the run was stopped.
    """

    state: Literal["finished", "stopped"]
    folder: Path
    step: int
    scores: tuple[Number, ...] = ()

    @property
    def report(self) -> Path:
        """The report of the run, an HTML page."""
        return self.folder / "report.html"

    def samples(self) -> dict[int, Path]:
        """Return the sheets of sample translations, PNG files, by step."""
        return RunFolder(self.folder).samples()

    def __repr__(self) -> str:
        """Return the state, step, folder and scores in one line."""
        scores = "".join(f", {score.name} {score.direction} {score.value:.4g}" for score in self.scores)
        return f"Outcome({self.state} at step {self.step}, {self.folder}{scores})"

    def _repr_html_(self) -> str:
        """Return the state, the scores and the last sheet as HTML, which Jupyter shows."""
        labels = RunFolder(self.folder).labels() if self.scores else {}
        names = [f"{score.name} {labels[score.direction]}" for score in self.scores]
        values = [f"{score.value:.4g}" for score in self.scores]
        untranslated = ["" if score.untranslated is None else f"{score.untranslated:.4g}" for score in self.scores]
        rows = {"score": names, "value": values, "untranslated": untranslated}
        cells = {name: "".join(f"<td>{escape(text)}</td>" for text in texts) for name, texts in rows.items()}
        table = "".join(f"<tr><th>{name}</th>{row}</tr>" for name, row in cells.items()) if names else ""
        html = f"<b>{self.state} at step {self.step}</b>: {escape(str(self.folder))}<table>{table}</table>"
        if sheets := self.samples():
            data = base64.b64encode(read_bytes(sheets[max(sheets)], LARGEST)).decode()
            html += f'<img alt="samples of step {max(sheets)}" src="data:image/png;base64,{data}">'
        return html
