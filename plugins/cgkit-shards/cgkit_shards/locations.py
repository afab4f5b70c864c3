"""Where a file is: a path on this machine, or a URL of another one."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote, urljoin, urlsplit

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_PLACED_URL = re.compile(r"/((?!file:)[a-z][a-z0-9+.-]+:)/(?=[^/])", re.IGNORECASE)


def location(value: str | Path) -> str:
    """Return the URL or the path that an option means.

    A path in a spec is made absolute as seen from the spec's folder, which turns `s3://bucket/index.json` into
    `/folder/s3:/bucket/index.json`; that is undone here.
    """
    text = str(value)
    if _SCHEME.match(text):
        return unquote(urlsplit(text).path) if text.lower().startswith("file://") else text
    placed = list(_PLACED_URL.finditer(text))
    return f"{placed[-1][1]}//{text[placed[-1].end() :]}" if placed else text


def is_remote(place: str) -> bool:
    """Return whether a location is a URL."""
    return _SCHEME.match(place) is not None


def beside(index: str, name: str) -> str:
    """Return where a file is that an index names, as seen from the index."""
    if is_remote(name):
        return location(name)
    if not is_remote(index):
        return str(Path(index).parent / name)
    base, _, _ = index.partition("?")
    scheme, _, rest = base.partition("://")
    # urljoin knows the rules, but only for the schemes that it knows.
    return f"{scheme}://{urljoin('http://' + rest, name).removeprefix('http://')}"


def open_location(place: str, timeout: float) -> BinaryIO:
    """Open a file for reading from its beginning to its end.

    Args:
        place: a path or a URL; other schemes than `http` and `https` are opened by fsspec.
        timeout: seconds after which a silent http server is an error.

    Raises:
        OSError: it cannot be opened.
        ImportError: the package that fsspec needs for this scheme is not installed.
    """
    if not is_remote(place):
        return Path(place).open("rb")
    if place.lower().startswith(("http://", "https://")):
        return cast(BinaryIO, urllib.request.urlopen(place, timeout=timeout))
    import fsspec  # type: ignore[import-untyped]

    return cast(BinaryIO, fsspec.open(place, "rb").open())


def reason(error: BaseException) -> str:
    """Return why something could not be read, in a few words."""
    return str(getattr(error, "strerror", None) or getattr(error, "reason", None) or error) or type(error).__name__
