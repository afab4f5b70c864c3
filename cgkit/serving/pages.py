"""The pages of the server: the list of runs, a run with its report, and a comparison."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from cgkit.errors import CgkitError
from cgkit.plugins import Plugins
from cgkit.report.comparison import compare
from cgkit.report.comparison_page import render_comparison
from cgkit.report.page import render
from cgkit.report.record import read_record
from cgkit.report.report import render_report
from cgkit.serving.answers import RequestError
from cgkit.serving.catalog import Catalog
from cgkit.serving.limits import Limits
from cgkit.serving.runs import summarise

PACKAGE = "cgkit.serving"
STATIC = {"serve.js": "text/javascript", "serve.css": "text/css"}
MAX_COMPARED = 12


class Pages:
    """Answers requests for pages. All methods read files, so that they run in threads.

    Args:
        catalog: the runs.
        plugins: the loaded plugins, which describe the metrics.
        limits: the limits of the server, of which the pages tell.
    """

    def __init__(self, catalog: Catalog, plugins: Plugins, limits: Limits) -> None:
        self._catalog = catalog
        self._plugins = plugins
        self._limits = limits

    def index(self, request: Request) -> Response:
        """Return the page that lists all runs."""
        runs = [summarise(name, listed) for name, listed in self._catalog.runs().items()]
        return _page(render("runs.html", PACKAGE, runs=runs))

    def run(self, request: Request) -> Response:
        """Return the page of a run: its report, and what can be done with it."""
        name = request.path_params["run"]
        listed = self._catalog.run(name)
        try:
            record = read_record(listed.folder)
        except CgkitError as error:
            raise RequestError(409, error.message, error.hint or "") from error
        values: dict[str, Any] = {"run": summarise(name, listed), "limits": self._limits, "hidden_facts": ("Steps",)}
        return _page(render_report(record, self._plugins, "run.html", PACKAGE, **values))

    def compare(self, request: Request) -> Response:
        """Return the comparison of the runs in the query."""
        names = list(dict.fromkeys(request.query_params.getlist("run")))
        if not 2 <= len(names) <= MAX_COMPARED:
            raise RequestError(400, f"a comparison needs from 2 to {MAX_COMPARED} runs", "/compare?run=A&run=B")
        folders: list[Path | str] = [_at(self._catalog.run(name.partition("@")[0]).folder, name) for name in names]
        try:
            runs = list(dict.fromkeys(name.partition("@")[0] for name in names))
            compared = compare(folders)
            return _page(render_comparison(compared, self._plugins, "compared.html", PACKAGE, names=runs))
        except CgkitError as error:
            raise RequestError(409, error.message, error.hint or "") from error

    def static(self, request: Request) -> Response:
        """Return the script or the style of the pages."""
        name = request.path_params["name"]
        if name not in STATIC:
            raise RequestError(404, "there is no such file")
        text = files(PACKAGE).joinpath("templates", name).read_text(encoding="utf-8")
        return Response(text, media_type=STATIC[name])


def _at(folder: Path, name: str) -> str:
    """Return the address of a run's folder, with the checkpoint that follows the `@` in its name."""
    place = name.partition("@")[2]
    if place and place not in ("best", "last") and not (place.isdecimal() and len(place) <= 15):
        raise RequestError(400, "a checkpoint is best, last or a step")
    return f"{folder}@{place}" if place else str(folder)


def _page(text: str) -> Response:
    # File names in the page may contain bytes that are not valid UTF-8.
    return HTMLResponse(text.encode("utf-8", "replace"))
