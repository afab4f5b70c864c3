"""Translating an uploaded image: its checks, its place in the queue, and the answer."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import re
import tempfile
import urllib.parse
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from cgkit.serving.answers import RequestError
from cgkit.serving.catalog import Catalog
from cgkit.serving.limits import Limits
from cgkit.serving.workers import Workers

CHOICES = {
    "direction": ("a2b", "b2a"),
    "weights": ("ema", "raw"),
    "size": ("own", "scaled"),
    "metadata": ("keep", "drop"),
}
"""The options that take one of a few words."""
KNOWN = (*CHOICES, "at", "scale", "max_side", "format", "name")
"""The names of all options."""
MAX_SCALE, MAX_SIDE = 16.0, 10**5


class Translating:
    """Answers requests to translate.

    Args:
        catalog: the runs.
        workers: the processes that translate.
        limits: the limits of the server.
        suffixes: the suffixes of image files.
    """

    def __init__(self, catalog: Catalog, workers: Workers, limits: Limits, suffixes: tuple[str, ...]) -> None:
        self._catalog = catalog
        self._workers = workers
        self._limits = limits
        self._suffixes = suffixes

    async def translate(self, request: Request) -> Response:
        """Translate the image in the body of a request; the answer is the translated file.

        Raises:
            RequestError: an option, the image or its size is refused, or too many translations wait.
        """
        name = request.query_params.get("name", "image.png")[:200]
        asked = await self._plan(request, name)
        with self._workers.place():
            folder = tempfile.TemporaryDirectory(dir=request.app.state.scratch)
            try:
                source = Path(folder.name, f"image{self._suffix_of(name)}")
                await self._receive(request, source)
                reply = await self._workers.translate({**asked, "source": str(source)}, request.is_disconnected)
            except BaseException:
                folder.cleanup()
                raise
        return self._respond(Path(reply["file"]), name, reply, folder)

    async def _plan(self, request: Request, name: str) -> dict[str, Any]:
        """Return what to ask of a worker, besides the image (see `cgkit.serving.worker`)."""
        run = await run_in_threadpool(self._catalog.run, request.path_params["run"])
        options, place, suffix = _read_options(request.query_params)
        return {
            "model": f"{run.folder}@{place}" if place else str(run.folder),
            "folder": str(run.folder),
            "run": request.path_params["run"],
            "name": name,
            "options": options,
            "suffix": suffix,
            "pixels": self._limits.pixels,
        }

    def _suffix_of(self, name: str) -> str:
        suffix = PurePosixPath(name).suffix.lower()
        return suffix if suffix in self._suffixes else ".png"  # the content decides anyway

    async def _receive(self, request: Request, file: Path) -> None:
        """Write the body of a request to a file."""
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._limits.upload:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._limits.transfer):
                received = await self._write(request, file)
        except TimeoutError:
            message = f"the upload took more than {self._limits.transfer:g} seconds"
            raise RequestError(408, message, headers={"connection": "close"}) from None
        except ClientDisconnect:
            raise RequestError(499, "the client has left") from None
        if not received:
            raise RequestError(400, "there is no image in the body of the request")

    async def _write(self, request: Request, file: Path) -> int:
        received = 0
        with file.open("wb") as stream:
            async for part in request.stream():
                received += len(part)
                if received > self._limits.upload:
                    raise self._too_large()
                stream.write(part)
        return received

    def _too_large(self) -> RequestError:
        message = f"the file has more than {self._limits.upload / 2**20:g} MiB"
        return RequestError(413, message, "send a smaller file", {"connection": "close"})

    def _respond(
        self, file: Path, name: str, reply: Mapping[str, Any], folder: tempfile.TemporaryDirectory[str]
    ) -> Response:
        stem = re.sub(r'[\x00-\x1f/\\"]+', "-", PurePosixPath(name).stem)[:100] or "image"
        shown = urllib.parse.quote(f"{stem}{file.suffix}", safe="")
        headers = {
            "content-disposition": f"attachment; filename*=UTF-8''{shown}",
            "x-cgkit-step": str(reply["step"]),
            "x-cgkit-remarks": json.dumps(reply["remarks"]),
            # A translation is shown as an image and nothing else, whatever its bytes are.
            "content-security-policy": "default-src 'none'; sandbox",
        }
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return _Translation(file, folder, headers, kind)


class _Translation(FileResponse):
    """Sends a file, and deletes its folder even if the client has left."""

    def __init__(
        self, file: Path, folder: tempfile.TemporaryDirectory[str], headers: Mapping[str, str], kind: str
    ) -> None:
        super().__init__(file, headers=headers, media_type=kind)
        self._used = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._used.cleanup()


def _read_options(query: Mapping[str, str]) -> tuple[dict[str, Any], str, str]:
    """Return the options of a translator, the checkpoint, and the suffix to write (empty for that of the image).

    Raises:
        RequestError: an option is unknown or has an invalid value.
    """
    if unknown := [name for name in query if name not in KNOWN]:
        raise RequestError(400, f"there is no option {unknown[0][:50]!r}", f"options: {', '.join(KNOWN)}")
    options: dict[str, Any] = {}
    for name, words in CHOICES.items():
        if name in query:
            options[name] = _choose(name, query[name], words)
    if "scale" in query and query["scale"] != "native":
        options["scale"] = (
            query["scale"]
            if query["scale"] == "trained"
            else _number(query, "scale", 0.01, MAX_SCALE, "native, trained or ")
        )
    if "max_side" in query:
        options["max_side"] = int(_number(query, "max_side", 1, MAX_SIDE))
    place = query.get("at", "")
    if not re.fullmatch(r"best|last|[0-9]{1,15}|", place):
        raise RequestError(400, "at is best, last or the step of a checkpoint")
    suffix = query.get("format", "")
    if not re.fullmatch(r"[a-z0-9]{0,10}", suffix):
        raise RequestError(400, "format is the suffix of an image file, such as png")
    return options, place, f".{suffix}" if suffix else ""


def _choose(name: str, text: str, words: tuple[str, ...]) -> str:
    if text not in words:
        raise RequestError(400, f"{name} is {' or '.join(words)}")
    return text


def _number(query: Mapping[str, str], name: str, smallest: float, largest: float, words: str = "") -> float:
    try:
        value = float(query[name])
    except ValueError:
        value = float("nan")
    if not smallest <= value <= largest:
        raise RequestError(400, f"{name} is {words}a number from {smallest:g} to {largest:g}")
    return value
