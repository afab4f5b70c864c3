"""The runs as JSON, their newest pictures, and requests to stop and to continue them."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cgkit.errors import CgkitError
from cgkit.images.sheet import Sheet, read_sheet
from cgkit.models.address import Address
from cgkit.models.folder import written_step
from cgkit.report.listing import Listed
from cgkit.runs.continuing.launch import read_launch
from cgkit.runs.folder import RunFolder
from cgkit.serving.answers import RequestError, answer
from cgkit.serving.catalog import Catalog
from cgkit.spec.images import labels_of

LOG = "serve.log"
"""What a run prints that the server continued."""
SIDE = 128
"""The longest side of each picture in a strip, in pixels."""
PROGRESS = ("epoch", "epochs", "images_per_second", "seconds_left", "losses", "at", "error")


class Runs:
    """Answers requests about runs. All methods read files, so that they run in threads.

    Args:
        catalog: the runs.
        arguments: the options with which a run is continued besides those that it remembers.
    """

    def __init__(self, catalog: Catalog, arguments: Sequence[str]) -> None:
        self._catalog = catalog
        self._arguments = tuple(arguments)
        self._continued: list[subprocess.Popen[bytes]] = []

    def all(self, request: Request) -> Response:
        """Return all runs."""
        runs = [summarise(name, listed) for name, listed in self._catalog.runs().items()]
        return answer({"schema": 1, "runs": runs})

    def one(self, request: Request) -> Response:
        """Return a run, with its progress and the models that can translate."""
        name = request.path_params["run"]
        listed = self._catalog.run(name)
        return answer({"schema": 1, **summarise(name, listed), **_describe_models(listed)})

    def strip(self, request: Request) -> Response:
        """Return the newest test images of a run with their translations, as one picture."""
        folder = RunFolder(self._catalog.run(request.path_params["run"]).folder)
        files = list(folder.samples().values())
        if not files or (picture := _draw_strip(files[-1])) is None:
            raise RequestError(404, "this run has no samples yet")
        return Response(picture, media_type="image/webp")

    def stop(self, request: Request) -> Response:
        """Ask a run to save its state and stop."""
        folder = RunFolder(self._catalog.run(request.path_params["run"]).folder)
        if not folder.is_in_use():
            raise RequestError(409, "this run does not train")
        try:
            folder.ask_to_stop()
        except CgkitError as error:
            raise RequestError(507, error.message, error.hint or "") from error
        return answer({"asked": "stop"}, 202)

    def resume(self, request: Request) -> Response:
        """Continue a run in a process of its own, which goes on if the server ends."""
        listed = self._catalog.run(request.path_params["run"])
        if RunFolder(listed.folder).is_in_use():
            raise RequestError(409, "this run already trains")
        try:
            read_launch(listed.folder)
        except CgkitError as error:
            raise RequestError(409, error.message, error.hint or "") from error
        self._continued = [process for process in self._continued if process.poll() is None]
        command = [sys.executable, "-m", "cgkit", "run", str(listed.folder), *self._arguments]
        with (listed.folder / LOG).open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._continued.append(process)
        self._catalog.forget()
        return answer({"asked": "continue", "log": LOG}, 202)


def summarise(name: str, listed: Listed) -> dict[str, Any]:
    """Return what a list of runs shows of a run, as JSON values."""
    folder = RunFolder(listed.folder)
    try:
        status, spec = folder.status(), folder.remembered_spec() or {}
    except CgkitError:  # which `listed` already says
        status, spec = {}, {}
    progress = {key: status[key] for key in PROGRESS if key in status}
    if listed.state != "running":
        progress.pop("seconds_left", None)
    labels = labels_of(spec)
    values = {key: value for key, value in listed.to_json().items() if key != "folder"}
    values |= {"step": status.get("step", listed.step) if listed.state == "running" else listed.step}
    title = str(spec.get("name") or listed.folder.resolve().name)
    sheet = max(folder.samples(), default=None)
    directions = {key: labels[key] for key in ("a2b", "b2a")}
    return {"run": name, "name": title, **values, **progress, "sheet": sheet, "directions": directions}


def _describe_models(listed: Listed) -> dict[str, Any]:
    """Return the models and checkpoints of a run that can translate, the default one first."""
    address = Address(listed.folder)
    models = []
    if (listed.folder / "model").is_dir():
        models.append({"at": "", "step": written_step(listed.folder / "model"), "kind": "final"})
    if (listed.folder / "best").is_dir():
        models.append({"at": "best", "step": written_step(listed.folder / "best"), "kind": "best"})
    # The last checkpoint of a finished run is its final model.
    final = {model["step"] for model in models if model["kind"] == "final"}
    steps = [step for step in reversed(address.steps) if step not in final]
    models += [{"at": str(step), "step": step, "kind": "checkpoint"} for step in steps]
    return {"models": models}


def _draw_strip(file: Path) -> bytes | None:
    """Return the first test image of each direction and its translation, side by side, as WebP."""
    from PIL import Image

    try:
        sheet = read_sheet(file)
    except CgkitError:
        return None
    if not isinstance(sheet, Sheet):
        pictures = [sheet]
    else:
        columns = [column for column in sheet.columns if column.role in ("source", "translation")]
        pictures = [column.pictures[0] for column in columns if column.pictures]
    for picture in pictures:
        picture.thumbnail((SIDE, SIDE))
    strip = Image.new("RGB", (sum(picture.width + 4 for picture in pictures) - 4, max(p.height for p in pictures)))
    left = 0
    for picture in pictures:
        strip.paste(picture, (left, 0))
        left += picture.width + 4
    encoded = io.BytesIO()
    strip.save(encoded, "WEBP", quality=85)
    return encoded.getvalue()
