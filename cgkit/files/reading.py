"""Read files that somebody else may have put in place: only regular files, and of a bounded size.

A named pipe would block its reader for ever, a device may never end, and a large file would fill the memory.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

SMALL = 64 << 20
"""The most bytes of a file that is read as a whole, such as `status.json`."""


def require_regular(file: Path) -> os.stat_result:
    """Return the status of a regular file, or of the one that a link leads to, without opening it.

    Raises:
        OSError: it is missing, or anything else, such as a folder, a named pipe or a device.
    """
    return _require_regular(file.stat(), file)


def read_bytes(file: Path, limit: int = SMALL) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    Raises:
        OSError: the file is missing, not a regular file or larger, or it cannot be read.
    """
    require_regular(file)  # opening a device may already do something
    # If a pipe has taken the place of the file since, opening it does not wait for a writer.
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
        size = _require_regular(os.fstat(descriptor), file).st_size
        content = stream.read(min(size, limit) + 1)  # which reserves as much memory as it may read
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit / 1e6:.0f} MB", str(file))
    return content


def read_text(file: Path, limit: int = SMALL, *, errors: str = "strict") -> str:
    """Return the text of a regular file in UTF-8; see `read_bytes`.

    Raises:
        OSError: as for `read_bytes`.
        ValueError: the file is not UTF-8, unless `errors` says what to do then.
    """
    return read_bytes(file, limit).decode("utf-8", errors)


def read_json(file: Path, limit: int = SMALL) -> Any:
    """Return the value of a JSON file; see `read_bytes`.

    Raises:
        OSError: as for `read_bytes`.
        ValueError: the file is not JSON in UTF-8, or nested too deeply.
    """
    return parse_json(read_bytes(file, limit))


def read_object(file: Path, limit: int = SMALL) -> dict[str, Any]:
    """Return the JSON object in a file; see `read_json`. Any other JSON value is a `ValueError`."""
    value = read_json(file, limit)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def parse_json(text: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is not JSON in UTF-8, or nested too deeply.
    """
    try:
        return json.loads(text.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def reason(error: Exception) -> str:
    """Return why a file cannot be read, in one line without the name of the file."""
    text = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:200]


def _require_regular(status: os.stat_result, file: Path) -> os.stat_result:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "not a regular file", str(file))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(file))
    return status
