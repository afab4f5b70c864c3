"""Start the server, with an address that only this machine reaches, or with a token."""

from __future__ import annotations

import ipaddress
import secrets
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from cgkit.errors import ResourceError, UsageError
from cgkit.plugins import Plugins
from cgkit.serving.limits import Limits

if TYPE_CHECKING:
    import uvicorn

    from cgkit.serving.workers import Workers

SHORTEST = 16
"""The fewest characters of a token."""


@dataclass(frozen=True)
class Address:
    """Where the server listens.

    Attributes:
        host: the name or IP address to listen at.
        port: the port; 0 for any that is free.
        token: the token that every request needs; by default a random one, or none if only this machine can connect.
        hosts: further names by which clients address the server, such as that of a proxy.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    hosts: tuple[str, ...] = ()


def serve(
    folders: Sequence[Path],
    plugins: Plugins,
    *,
    address: Address = Address(),  # it is frozen
    limits: Limits = Limits(),  # noqa: B008
    devices: Sequence[str | None] = (None,),
    installed: bool = True,
    ready: Callable[[str], None] = lambda url: None,
    stopping: Callable[[int], None] = lambda count: None,
) -> None:
    """Serve the runs below some folders until SIGINT or SIGTERM; then finish the requests that were accepted.

    A second signal ends them at once, with status 503.

    Args:
        folders: run folders, and folders that contain them.
        plugins: the loaded plugins.
        address: where to listen.
        limits: what a client may ask.
        devices: the devices to translate on, with one process each; None for the default.
        installed: whether processes of the server load installed plugins.
        ready: called with the URL once the server accepts connections.
        stopping: called at the first signal, with the number of translations that the server still finishes.

    Raises:
        UsageError: a package or a folder is missing, or the address or the token cannot be used.
        ResourceError: the server cannot listen at the address.
    """
    try:
        import uvicorn

        from cgkit.serving.app import build_app
        from cgkit.serving.connection import connection_within
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise UsageError(f"cgkit serve needs {error.name}", hint='pip install "cgkit[serve]"') from None

    token = _choose_token(address)
    names = {address.host, *address.hosts}
    app = build_app(folders, plugins, devices=devices, limits=limits, hosts=names, token=token, installed=installed)
    listening = _listen(address)
    config = uvicorn.Config(
        app,
        http=connection_within(limits),
        loop="asyncio",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=int(limits.seconds),
    )
    url = f"http://{_choose_name(address.host)}:{listening.getsockname()[1]}/"
    ready(url if token is None else f"{url}?token={token}")
    with _signals_end_the_server():
        _build_server(config, app.state.workers, stopping).run(sockets=[listening])


def _build_server(config: uvicorn.Config, workers: Workers, stopping: Callable[[int], None]) -> uvicorn.Server:
    """Return a server that finishes its translations at the first signal, and ends them at the second."""
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, number: int, frame: FrameType | None) -> None:
            if self.should_exit:
                workers.abandon()
            else:
                stopping(workers.taken)
                super().handle_exit(number, frame)

    return Server(config)


def _choose_name(host: str) -> str:
    """Return the name of a host in a URL; if the server listens at all addresses, that of this machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return socket.gethostname()
    return f"[{host}]" if address.version == 6 else host


@contextmanager
def _signals_end_the_server() -> Iterator[None]:
    """Let SIGINT and SIGTERM end only the server, which raises them again after it has ended."""
    previous = {number: signal.signal(number, lambda number, frame: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _choose_token(address: Address) -> str | None:
    if address.token is None:
        return None if _is_loopback(address.host) else secrets.token_urlsafe(24)
    if len(address.token) < SHORTEST or not address.token.isascii() or not address.token.isprintable():
        raise UsageError(
            f"a token needs at least {SHORTEST} printable ASCII characters", hint="leave it out for a random one"
        )
    return address.token


def _is_loopback(host: str) -> bool:
    """Return whether a host can be reached only from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(address: Address) -> socket.socket:
    try:
        (family, _, _, _, place), *_ = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return socket.create_server(place[:2], family=family, backlog=512)
    except (OSError, UnicodeError, OverflowError) as error:
        hint = "choose another --port, or 0 for any that is free"
        raise ResourceError(f"cannot listen at {address.host}:{address.port}: {error}", hint=hint) from error
