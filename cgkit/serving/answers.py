"""What a client receives: values as JSON, and errors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from cgkit.report.page import render


class RequestError(Exception):
    """A request that cannot be served.

    Args:
        status: the HTTP status.
        message: what is wrong.
        hint: what to do about it.
        headers: more headers of the answer.
    """

    def __init__(self, status: int, message: str, hint: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint
        self.headers = dict(headers or {})

    def response(self, request: HTTPConnection) -> Response:
        """Return the answer to the client: a page if a browser asked for one, otherwise JSON."""
        content = {"error": self.message, **({"hint": self.hint} if self.hint else {})}
        if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/"):
            return HTMLResponse(render("error.html", "cgkit.serving", **content), self.status, headers=self.headers)
        return JSONResponse(content, self.status, headers=self.headers)


def answer(values: Mapping[str, Any], status: int = 200) -> Response:
    """Return values as a JSON answer; numbers that are not finite, which JSON cannot hold, are null."""
    return JSONResponse(_clean(values), status)


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _clean(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


async def respond(request: Request, error: Exception) -> Response:
    """Answer a request that raised a `RequestError`."""
    assert isinstance(error, RequestError)
    return error.response(request)
