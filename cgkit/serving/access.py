"""Who may use the server: checks of the host, the origin and the token, and the headers of every answer.

A web page of somebody else can send requests to a server on this machine, and a name in DNS can be pointed at it. Such
requests carry that page's origin, or that name as the host.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Collection, Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cgkit.serving.answers import RequestError

COOKIE = "cgkit_token"
SAFE = ("GET", "HEAD")
"""Methods that change nothing."""
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


class Access:
    """Middleware that passes on only requests of this server's own pages, and of programs with the token.

    Args:
        app: the application.
        hosts: the names by which the server may be addressed, besides those of this machine.
        token: the token that every request needs; None if the server can only be reached from this machine.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = (), token: str | None = None) -> None:
        self._app = app
        self._hosts = {"localhost", *(host.lower() for host in hosts)}
        self._token = token
        if token is not None:
            self._hosts |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on a request."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return None  # nothing here uses another protocol

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._check(scope)
        await (answer or self._app)(scope, receive, send_with_headers)

    def _check(self, scope: Scope) -> Response | None:
        """Return the answer to a request that is not passed on."""
        request, headers = HTTPConnection(scope), Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_own(host):
            hint = "to allow it, start cgkit serve with --allow-host"
            return RequestError(421, f"this server is not called {host[:100]!r}", hint).response(request)
        if scope["method"] not in SAFE and not _comes_from(host, headers):
            return RequestError(403, "this request comes from the page of another server").response(request)
        if self._token is None:
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["method"] == "GET" and self._is_token(query.get("token", [""])[0]):
            return _remember(scope, query, str(self._token))
        tokens = [*query.get("token", []), *_tokens(request)]
        if any(map(self._is_token, tokens)):
            return None
        message = "this token is not that of the server" if tokens else "this server needs a token"
        hint = "open the address that cgkit serve printed, or send the header Authorization: Bearer TOKEN"
        return RequestError(401, message, hint, {"www-authenticate": "Bearer"}).response(request)

    def _is_own(self, host: str) -> bool:
        """Return whether a host is this machine: an address that DNS cannot change, or a known name."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name in self._hosts
        # From elsewhere, the token protects the server.
        return address.is_loopback or self._token is not None

    def _is_token(self, text: str) -> bool:
        return secrets.compare_digest(text.encode(), str(self._token).encode())


def _comes_from(host: str, headers: Headers) -> bool:
    """Return whether a request was sent by a page of this server, or by a program, which tells no origin."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    return origin.lower().partition("://")[2] == host.lower()


def _tokens(request: HTTPConnection) -> Iterator[str]:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        yield token.strip()
    if COOKIE in request.cookies:
        yield request.cookies[COOKIE]


def _remember(scope: Scope, query: dict[str, list[str]], token: str) -> Response:
    """Store the token in a cookie, and drop it from the address, so that it is in no history and no screenshot."""
    rest = urlencode({name: values for name, values in query.items() if name != "token"}, doseq=True)
    # A path that starts with two slashes would lead to another server.
    path = "/" + scope["path"].lstrip("/")
    response = RedirectResponse(path + (f"?{rest}" if rest else ""), status_code=303)
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict")
    return response
