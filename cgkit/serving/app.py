"""The web application: its addresses, and what answers them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cgkit.data.file_formats import load_formats
from cgkit.engine.precision import choose_device
from cgkit.plugins import Plugins
from cgkit.serving.access import Access
from cgkit.serving.answers import RequestError, answer, respond
from cgkit.serving.catalog import Catalog
from cgkit.serving.description import describe
from cgkit.serving.limits import Limits
from cgkit.serving.pages import Pages
from cgkit.serving.runs import Runs
from cgkit.serving.translating import Translating
from cgkit.serving.workers import Workers, plugin_arguments


def build_app(
    folders: Sequence[Path],
    plugins: Plugins,
    *,
    devices: Sequence[str | None] = (None,),
    limits: Limits = Limits(),  # noqa: B008  # it is frozen
    hosts: Collection[str] = (),
    token: str | None = None,
    installed: bool = True,
) -> Starlette:
    """Return the application that serves the runs below some folders.

    Args:
        folders: run folders, and folders that contain them.
        plugins: the loaded plugins.
        devices: the devices to translate on, with one process each; None for the default.
        limits: what a client may ask.
        hosts: names by which the server may be addressed.
        token: the token that every request needs; None for no token.
        installed: whether processes of the server load installed plugins.

    Raises:
        UsageError: a folder or a device does not exist.
    """
    for device in devices:
        choose_device(device)  # raises an error now, not at the first translation
    arguments = plugin_arguments(plugins.files, installed=installed)
    workers = Workers(devices, arguments, limits)
    catalog = Catalog(folders, plugins)
    translating = Translating(catalog, workers, limits, load_formats(plugins).suffixes)

    @asynccontextmanager
    async def run_workers(app: Starlette) -> AsyncIterator[None]:
        with TemporaryDirectory(prefix="cgkit-serve-") as app.state.scratch:
            await workers.start()
            try:
                yield
            finally:
                await workers.stop()

    app = Starlette(
        routes=_routes(Pages(catalog, plugins, limits), Runs(catalog, arguments), translating, limits),
        middleware=[Middleware(Access, hosts=hosts, token=token)],
        exception_handlers={RequestError: respond, HTTPException: _respond_unknown},
        lifespan=run_workers,
    )
    app.state.workers = workers
    return app


def _routes(pages: Pages, runs: Runs, translating: Translating, limits: Limits) -> list[Route]:
    async def openapi(request: Request) -> Response:
        return answer(describe(limits))

    return [
        Route("/", pages.index),
        Route("/runs/{run}", pages.run),
        Route("/runs/{run}/strip", runs.strip),
        Route("/compare", pages.compare),
        Route("/static/{name}", pages.static),
        Route("/openapi.json", openapi),
        Route("/api/runs", runs.all),
        Route("/api/runs/{run}", runs.one),
        Route("/api/runs/{run}/stop", runs.stop, methods=["POST"]),
        Route("/api/runs/{run}/continue", runs.resume, methods=["POST"]),
        Route("/api/runs/{run}/translate", translating.translate, methods=["POST"]),
    ]


async def _respond_unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    messages = {404: "there is no such page", 405: f"this address does not take {request.method}"}
    hint = {405: "openapi.json lists what each address takes"}.get(error.status_code, "")
    message = messages.get(error.status_code, error.detail)
    return RequestError(error.status_code, message, hint, error.headers).response(request)
