"""The locations of files: local paths and URLs."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote, urljoin, urlsplit

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_URL_IN_PATH = re.compile(r"/((?!file:)[a-z][a-z0-9+.-]+:)/(?=[^/])", re.IGNORECASE)


def parse_location(value: str | Path) -> str:
    """Return the URL or path that an option refers to.

    cgkit resolves paths in a spec relative to the spec's folder, which turns `s3://bucket/index.json` into
    `/folder/s3:/bucket/index.json`; this function undoes that.
    """
    text = str(value)
    if _SCHEME.match(text):
        return unquote(urlsplit(text).path) if text.lower().startswith("file://") else text
    urls = list(_URL_IN_PATH.finditer(text))
    return f"{urls[-1][1]}//{text[urls[-1].end() :]}" if urls else text


def is_remote(location: str) -> bool:
    """Return whether a location is a URL."""
    return _SCHEME.match(location) is not None


def resolve(index: str, name: str) -> str:
    """Return the location of the file `name`, which is a URL, an absolute path or a path relative to the index."""
    if is_remote(name):
        return parse_location(name)
    if not is_remote(index):
        return str(Path(index).parent / name)
    base, _, _ = index.partition("?")
    scheme, _, rest = base.partition("://")
    # urljoin supports only some schemes, so the name is resolved as if the scheme were http.
    return f"{scheme}://{urljoin('http://' + rest, name).removeprefix('http://')}"


def open_location(location: str, timeout: float) -> BinaryIO:
    """Open a file for sequential reading.

    Args:
        location: a path or a URL; schemes other than `http` and `https` are opened by fsspec.
        timeout: seconds to wait for data from an HTTP server before a read fails.

    Raises:
        OSError: the file cannot be opened.
        ImportError: the package that fsspec needs for this scheme is not installed.
    """
    if not is_remote(location):
        return Path(location).open("rb")
    if location.lower().startswith(("http://", "https://")):
        return cast(BinaryIO, urllib.request.urlopen(location, timeout=timeout))
    import fsspec  # type: ignore[import-untyped]

    return cast(BinaryIO, fsspec.open(location, "rb").open())


def describe_error(error: BaseException) -> str:
    """Return the reason of a failure in a few words, without the type of the error if possible."""
    return str(getattr(error, "strerror", None) or getattr(error, "reason", None) or error) or type(error).__name__
