"""Turning a TOML file into plain values, and saying on which line each of them stands."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cgkit.errors import Problem, SpecError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_INTEGER = 2**53
"""Beyond this a JSON reader may round: no number in a spec has any business there."""

_KEY_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')"""
_KEY = rf"{_KEY_PART}(?:\s*\.\s*{_KEY_PART})*"
_TABLE = re.compile(rf"\s*(\[\[?)\s*({_KEY})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_KEY})\s*=")
# tomllib takes quadratic time over a dotted key, so absurdly deep ones are refused before it sees them.
_DEEP_KEY = re.compile(rf"""(?<![\w"'-])(?:[\w"'-]++\s*+\.\s*+){{{MAX_DEPTH},}}""")

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Layer:
    """One origin of values: a file, or an option of the command line.

    Attributes:
        label: what to call it in a message.
        values: what it says.
        lines: the line on which each path stands, where it has lines.
        folder: what relative paths in it are relative to.
    """

    label: str
    values: dict[str, Any]
    folder: Path
    lines: Mapping[Path_, int] = field(default_factory=dict)

    def place(self, path: Path_) -> tuple[str, int | None] | None:
        """Return the label and the line of a path, or of the nearest table around it; None where it is not here."""
        if not _holds(self.values, path[:1]):
            return None
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.label, self.lines[path[:length]]
        return self.label, None


def read_layer(file: Path, label: str | None = None) -> Layer:
    """Read a TOML file.

    Raises:
        SpecError: it cannot be read, is too large, is no UTF-8 TOML, or holds values that no spec has.
    """
    label = label or str(file)
    text = _read_text(file, label)
    if _DEEP_KEY.search(text):
        raise _refuse(label, f"a key has more than {MAX_DEPTH} parts")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, line = _with_line(str(error))
        raise _refuse(label, f"not valid TOML: {message}", line) from None
    except (RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _refuse(label, f"not valid TOML: {reason}") from None
    layer = Layer(label, values, file.resolve().parent, dict(_lines(text)))
    problems = [
        Problem(dotted(path), message, file=label, line=(layer.place(path) or (label, None))[1])
        for path, message in _unfit_values(values, ())
    ]
    if problems:
        raise SpecError(problems)
    return layer


def read_override(text: str) -> Layer:
    """Read one `path=value` of the command line; a value that is no TOML value is taken as a string.

    Raises:
        SpecError: it has no `=`, its path is malformed, or its value is out of all bounds.
    """
    label = f"--set {text}"
    path, equals, value = text.partition("=")
    if not equals or not re.fullmatch(_KEY, path.strip()) or path.count(".") > MAX_DEPTH or len(text) > 4096:
        raise _refuse(label[:80], 'write it as "path=value", for example train.steps=100')
    parsed = _parse_value(value.strip())
    unfit = list(_unfit_values({"value": parsed}, ()))
    if unfit:
        raise _refuse(label, unfit[0][1])
    parts = tuple(str(part) for part in _split_key(path.strip()))
    for part in reversed(parts):
        parsed = {part: parsed}
    return Layer(label, parsed, Path.cwd())


def dotted(path: Path_) -> str:
    """Return a path as a spec's author would write it."""
    return ".".join(str(part) for part in path)


def _parse_value(text: str) -> Any:
    try:
        if _DEEP_KEY.search(text):
            return text
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return document["value"] if set(document) == {"value"} else text


def _read_text(file: Path, label: str) -> str:
    try:
        if not file.exists():
            raise _refuse(label, "there is no such file")
        if not file.is_file():
            raise _refuse(label, "not a regular file")
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _refuse(label, f"cannot be read: {error.strerror or error}") from None
    if len(content) > MAX_BYTES:
        raise _refuse(label, f"larger than {MAX_BYTES // 1024} KiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refuse(label, "not UTF-8 text", hint="save it as UTF-8") from None
    if "\0" in text:
        raise _refuse(label, "holds a NUL byte", hint="save it as UTF-8")
    return text.replace("\r\n", "\n")


def _refuse(label: str, message: str, line: int | None = None, hint: str | None = None) -> SpecError:
    return SpecError([Problem("", message, hint, label, line)])


def _with_line(message: str) -> tuple[str, int | None]:
    match = re.search(r"\s*\(at line (\d+), column (\d+)\)", message)
    return (message[: match.start()], int(match[1])) if match else (message, None)


def _unfit_values(value: Any, path: Path_) -> Iterator[tuple[Path_, str]]:
    """Yield what TOML can say and no spec does: dates, infinities, integers beyond 2**53."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _unfit_values(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _unfit_values(inner, (*path, index))
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, "should be a finite number"
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        yield path, "is out of range"
    elif not isinstance(value, (str, int, float, bool)):
        yield path, "should be a string, a number, true or false, an array or a table"


def _lines(text: str) -> Iterator[tuple[Path_, int]]:
    """Yield where each key first stands. Good enough for messages: text inside long strings may be taken for keys."""
    seen: set[Path_] = set()
    counts: dict[Path_, int] = {}
    table: Path_ = ()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _TABLE.match(line):
            table = _split_key(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            path = table
        elif assignment := _ASSIGNMENT.match(line):
            path = (*table, *_split_key(assignment[1]))
        else:
            continue
        for length in range(1, len(path) + 1):
            if path[:length] not in seen:
                seen.add(path[:length])
                yield path[:length], number


def _split_key(key: str) -> Path_:
    return tuple(part.strip("\"'") for part in re.findall(_KEY_PART, key))


def _holds(values: Any, path: Path_) -> bool:
    for part in path:
        inside = values.keys() if isinstance(values, dict) else range(len(values)) if isinstance(values, list) else ()
        if part not in inside:
            return False
        values = values[part]
    return True
