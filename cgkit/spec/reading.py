"""Read TOML files and command-line overrides into layers of plain values."""

from __future__ import annotations

import errno
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any

import tomli_w

from cgkit.errors import Problem, SpecError, dotted
from cgkit.files.reading import read_bytes, reason
from cgkit.spec.positions import MAX_DEPTH, find_excess, lines_of, unquote

MAX_BYTES = 256 * 1024
MAX_OVERRIDE = 4096
"""Limit on the number of characters of one `--set`."""

_KEY_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\[^\n])*"|'[^'\n]*')"""
_KEY = re.compile(rf"{_KEY_PART}(?:[ \t]*\.[ \t]*{_KEY_PART})*")


@dataclass(frozen=True)
class Layer:
    """The values of one file or one command-line override.

    Attributes:
        label: the name of the layer in messages.
        values: the tables and keys of the layer.
        folder: the folder from which relative paths are interpreted.
        lines: the line of every value by dotted path; None for values of an override.
        is_file: whether the layer is a file, rather than an override.
        text: the text of the file, or of the override.
    """

    label: str
    values: Mapping[str, Any]
    folder: Path
    lines: Mapping[str, int | None]
    is_file: bool = True
    text: str = ""

    def nearest(self, path: str) -> str:
        """Return the longest prefix of a dotted path for which the layer has a value."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return path


def read_layer(file: Path) -> Layer:
    """Read a TOML file.

    Raises:
        SpecError: the file cannot be read, is too large or too complex, or is not valid TOML in UTF-8.
    """
    label = str(file)
    text = _read_text(file, label)
    excess = find_excess(text)
    if excess is not None:
        raise refuse(label, *excess)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, line = _split_line(str(error))
        raise refuse(label, f"not valid TOML: {message}", line) from None
    except ValueError as error:  # a date or a number that Python cannot represent
        raise refuse(label, f"not valid TOML: {error}") from None
    lines: dict[str, int | None] = {dotted(place): line for place, line in lines_of(text).items()}
    return Layer(label, values, file.absolute().parent, lines, text=text)


def read_values(values: Mapping[str, Any]) -> Layer:
    """Read tables and keys as if they came from a TOML file in the working folder. Keys that are None are left out.

    Raises:
        SpecError: a value cannot be written as TOML.
    """
    try:
        text = tomli_w.dumps(_without_nones(values))
    except (TypeError, ValueError) as error:
        raise refuse("the spec", f"cannot be written as TOML: {error}") from None
    read = tomllib.loads(text)
    return Layer("the spec", read, Path.cwd(), dict.fromkeys(map(dotted, _find_places(read, ()))), text=text)


def read_override(text: str) -> Layer:
    """Read one `path=value` from the command line; a value that is not valid TOML is taken as a string.

    Raises:
        SpecError: the text has no `=`, has a malformed path, or is too long.
    """
    line = " ".join(text.split())
    label = f"--set {line if len(line) <= 80 else line[:77] + '...'}"
    path, equals, value = text.partition("=")
    keys = _split_key(path.strip())
    if not equals or not keys or len(keys) > MAX_DEPTH or len(text) > MAX_OVERRIDE:
        raise refuse(label, 'write it as "path=value"', hint="for example train.steps=100")
    values = _parse_value(value.strip())
    for key in reversed(keys):
        values = {key: values}
    lines = dict.fromkeys(dotted(place) for place in _find_places(values, ()))
    return Layer(label, values, Path.cwd(), lines, is_file=False, text=text)


def refuse(label: str, message: str, line: int | None = None, hint: str | None = None) -> SpecError:
    """Return the error for a layer that cannot be read."""
    return SpecError([Problem("", message, hint, label, line)])


def _read_text(file: Path, label: str) -> str:
    try:
        if not file.exists():
            raise refuse(label, "there is no such file")
        if not file.is_file():
            raise refuse(label, "not a regular file")
        content = read_bytes(file, MAX_BYTES)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise refuse(label, f"larger than {MAX_BYTES // 1024} KiB") from None
        raise refuse(label, f"cannot be read: {reason(error)}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refuse(label, "not UTF-8 text", hint="save it as UTF-8") from None
    return text.replace("\r\n", "\n")


def _split_line(message: str) -> tuple[str, int | None]:
    """Return a message of tomllib without its line number, and the line number."""
    match = re.search(r"\s*\(at line (\d+), column (\d+)\)", message)
    return (message[: match.start()], int(match[1])) if match else (message, None)


def _split_key(path: str) -> list[str]:
    """Return the parts of an override's path; an empty list if the path is malformed."""
    if not _KEY.fullmatch(path):
        return []
    try:
        return [unquote(part) for part in re.findall(_KEY_PART, path)]
    except ValueError:
        return []


def _parse_value(text: str) -> Any:
    """Parse a TOML value; return the text itself if it is invalid, or a date, since it is then probably a name."""
    document = f"value = {text}"
    try:
        values = tomllib.loads(document) if find_excess(document) is None else {}
    except ValueError:
        return text
    # A text with a line break, such as `1\nseed = 2`, would set a second key, so it is not a single value.
    if set(values) != {"value"} or isinstance(values["value"], (date, time)):
        return text
    return values["value"]


def _without_nones(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_nones(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_without_nones(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def _find_places(values: Any, place: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    inside = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in inside:
        yield (*place, key)
        yield from _find_places(value, (*place, key))
