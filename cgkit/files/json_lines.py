"""Append to files with one JSON object per line, each with a `step`; read them, and cut them back to a step."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from cgkit.errors import CheckpointError
from cgkit.files.reading import parse_json, read_bytes, reason, require_regular

LARGEST = 1 << 30
"""The most bytes of a file, enough for millions of lines."""
LAST = 10**12
"""The largest valid step."""


def append(file: Path, values: Mapping[str, Any]) -> None:
    """Append a line, and hand it to the operating system before returning.

    Args:
        file: The file; created if it does not exist.
        values: The JSON object, including its `step`.

    Raises:
        OSError: The file cannot be written.
        ValueError: A value is NaN or infinite.
    """
    if file.exists():
        require_regular(file)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(values, allow_nan=False) + "\n")


def read(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file that have a step, in order; skip malformed lines, such as an incomplete last one.

    Raises:
        OSError: the file is missing, not a regular file or too large, or it cannot be read.
    """
    for line in read_bytes(file, LARGEST).splitlines():
        values = _parse(line)
        if values is not None:
            yield values


def read_record(file: Path) -> list[dict[str, Any]]:
    """Return the objects of a file that a run keeps (see `read`); none if there is no such file.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        return list(read(file))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {reason(error)}", hint="move it away") from error


def read_evenly(file: Path, word: bytes, most: int) -> tuple[int, Iterator[dict[str, Any]]]:
    """Read a file that may have millions of lines of one kind: at most `most` of them, at even distances, and the last.

    Args:
        file: the file.
        word: what every line of that kind contains; lines without it are all read.
        most: how many to read.

    Returns:
        Every how many-th line of that kind is read, and the objects of all lines that are, in order.

    Raises:
        OSError: as for `read`.
    """
    if require_regular(file).st_size > LARGEST:
        raise OSError(errno.EFBIG, f"larger than {LARGEST / 1e6:.0f} MB", str(file))
    with file.open("rb") as stream:
        count = sum(word in line for line in stream)
    every = max(1, -(-count // most))
    return every, _read_every(file, word, every, count)


def _read_every(file: Path, word: bytes, every: int, count: int) -> Iterator[dict[str, Any]]:
    number = 0
    with file.open("rb") as stream:
        for line in stream:
            if word in line:
                number += 1
                if number % every and number != count:
                    continue
            if (values := _parse(line)) is not None:
                yield values


def rewind(file: Path, step: int) -> None:
    """Remove the lines at the end that are malformed or whose step is after `step`; do nothing if there is no file.

    Only these lines are read, so that a long run continues at once.

    Raises:
        OSError: The file cannot be changed; it is left as it is.
    """
    if not file.exists() or require_regular(file).st_size == 0:
        return
    with file.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as content:
        kept = size = len(content)
        while kept:
            start = content.rfind(b"\n", 0, kept - 1) + 1
            line = content[start:kept]
            values = _parse(line) if line.endswith(b"\n") else None
            if values is not None and values["step"] <= step:
                break
            kept = start
    if kept < size:
        os.truncate(file, kept)


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return the object of a line; None if the line is malformed or has no step."""
    try:
        values = parse_json(line)
    except ValueError:
        return None
    step = values.get("step") if isinstance(values, dict) else None
    return values if type(step) is int and 0 <= step <= LAST else None
