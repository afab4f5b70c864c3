"""Read URLs with limits: on the bytes, on the time without any, and on where a server may send us instead."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from cgkit.errors import CheckpointError, ResourceError, UsageError

LOCAL = ("localhost", "127.0.0.1", "::1")
"""The names of this machine, to which a connection need not be encrypted."""
TIMEOUT = 30.0
"""Seconds to wait for a server to send anything."""
_BLOCK = 1 << 20


class UnreachableError(ResourceError):
    """A server did not answer, or stopped in the middle."""


def read_url(url: str, limit: int) -> Iterator[bytes]:
    """Yield the content of a URL in blocks.

    Args:
        url: the URL, with `https`, or with `http` on this machine.
        limit: the largest accepted number of bytes; no more are read.

    Raises:
        UsageError: the server has nothing at this URL, or does not give it to everyone.
        CheckpointError: the server sends more bytes, or sends us to a URL that is not encrypted.
        UnreachableError: the server cannot be reached, fails, or stops before the end.
    """
    request = Request(url, headers={"User-Agent": "cgkit", "Accept-Encoding": "identity"})
    with _errors_explained(url), _opener().open(request, timeout=TIMEOUT) as response:
        remaining = limit
        while block := response.read(min(_BLOCK, remaining + 1)):
            remaining -= len(block)
            if remaining < 0:
                raise CheckpointError(f"{url} has more than the {limit} bytes that it may have")
            yield block
        if response.length:  # what the server announced and has not sent
            raise http.client.IncompleteRead(b"", response.length)


class _SafeRedirects(HTTPRedirectHandler):
    """Follows a redirect only to an encrypted URL, or from this machine to this machine."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> Request | None:
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if new.scheme != "https" and not (new.scheme == "http" and {old.hostname, new.hostname} <= {*LOCAL}):
            fp.close()
            raise CheckpointError(f"{req.full_url} redirects to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> Any:
    """Return an opener that knows HTTP only: urllib's own would also open files and FTP."""
    opener = OpenerDirector()
    handlers = (ProxyHandler, HTTPHandler, HTTPSHandler, HTTPDefaultErrorHandler, HTTPErrorProcessor, _SafeRedirects)
    for handler in handlers:
        opener.add_handler(handler())
    return opener


@contextmanager
def _errors_explained(url: str) -> Iterator[None]:
    try:
        yield
    except HTTPError as error:
        with error:
            problem = f"{url}: the server answers {error.code} {error.reason}"
        if error.code >= 500 or error.code in (408, 429):
            raise UnreachableError(problem, hint="try again later") from error
        raise UsageError(problem, hint=_advise(url)) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or repr(error)
        hint = "check your network connection, and try again"
        raise UnreachableError(f"{url} cannot be read: {reason}", hint=hint) from error


def _advise(url: str) -> str:
    parts = urlsplit(url)
    if parts.hostname == "huggingface.co":
        return f"write it as hf:{'/'.join(parts.path.strip('/').split('/')[:2])}"
    return "give the URL of a model folder, which has a config.json"
