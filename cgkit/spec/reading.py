"""Reading TOML files and the command line's overrides into layers of plain values."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any

from cgkit.errors import Problem, SpecError, dotted
from cgkit.spec.positions import MAX_DEPTH, lines_of, overload, unquoted

MAX_BYTES = 256 * 1024
MAX_OVERRIDE = 4096
"""Characters of one `--set`."""

_KEY_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\[^\n])*"|'[^'\n]*')"""
_KEY = re.compile(rf"{_KEY_PART}(?:[ \t]*\.[ \t]*{_KEY_PART})*")


@dataclass(frozen=True)
class Layer:
    """One origin of values: a file, or an override of the command line.

    Attributes:
        label: what to call it in a message.
        values: what it says.
        folder: what relative paths in it are relative to.
        lines: the dotted path of everything that it says, with the line where it has lines.
        is_file: whether it is a file, and so may be named for what no layer says.
        text: the text of the file; empty for an override.
    """

    label: str
    values: Mapping[str, Any]
    folder: Path
    lines: Mapping[str, int | None]
    is_file: bool = True
    text: str = ""

    def nearest(self, path: str) -> str:
        """Return the longest beginning of a dotted path that the layer says something about."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return path


def read_layer(file: Path) -> Layer:
    """Read a TOML file.

    Raises:
        SpecError: it cannot be read, is too large, nests too deeply, or is no UTF-8 TOML.
    """
    label = str(file)
    text = _read_text(file, label)
    too_much = overload(text)
    if too_much is not None:
        raise refuse(label, *too_much)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, line = _with_line(str(error))
        raise refuse(label, f"not valid TOML: {message}", line) from None
    except ValueError as error:  # a date or a number that Python cannot hold
        raise refuse(label, f"not valid TOML: {error}") from None
    lines: dict[str, int | None] = {dotted(place): line for place, line in lines_of(text).items()}
    return Layer(label, values, file.absolute().parent, lines, text=text)


def read_override(text: str) -> Layer:
    """Read one `path=value` of the command line; a value that is no TOML value is taken as a string.

    Raises:
        SpecError: it has no `=`, its path is malformed, or it is far too long.
    """
    shown = " ".join(text.split())
    label = f"--set {shown if len(shown) <= 80 else shown[:77] + '...'}"
    path, equals, value = text.partition("=")
    keys = _split_key(path.strip())
    if not equals or not keys or len(keys) > MAX_DEPTH or len(text) > MAX_OVERRIDE:
        raise refuse(label, 'write it as "path=value"', hint="for example train.steps=100")
    values = _parse_value(value.strip())
    for key in reversed(keys):
        values = {key: values}
    lines = dict.fromkeys(dotted(place) for place in _places(values, ()))
    return Layer(label, values, Path.cwd(), lines, is_file=False)


def refuse(label: str, message: str, line: int | None = None, hint: str | None = None) -> SpecError:
    """Return the error for a layer that cannot be used at all."""
    return SpecError([Problem("", message, hint, label, line)])


def _read_text(file: Path, label: str) -> str:
    try:
        if not file.exists():
            raise refuse(label, "there is no such file")
        if not file.is_file():
            raise refuse(label, "not a regular file")
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise refuse(label, f"cannot be read: {error.strerror or error}") from None
    if len(content) > MAX_BYTES:
        raise refuse(label, f"larger than {MAX_BYTES // 1024} KiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refuse(label, "not UTF-8 text", hint="save it as UTF-8") from None
    return text.replace("\r\n", "\n")


def _with_line(message: str) -> tuple[str, int | None]:
    match = re.search(r"\s*\(at line (\d+), column (\d+)\)", message)
    return (message[: match.start()], int(match[1])) if match else (message, None)


def _split_key(path: str) -> list[str]:
    """Return the parts of an override's path; none where it is malformed."""
    if not _KEY.fullmatch(path):
        return []
    try:
        return [unquoted(part) for part in re.findall(_KEY_PART, path)]
    except ValueError:
        return []


def _parse_value(text: str) -> Any:
    """Return what a TOML value means, or the text itself; a bare date is more likely a name."""
    document = f"value = {text}"
    try:
        values = tomllib.loads(document) if overload(document) is None else {}
    except ValueError:
        return text
    # A text that says more than one thing is no value: `1` and a new line with `seed = 2`, for instance.
    if set(values) != {"value"} or isinstance(values["value"], (date, time)):
        return text
    return values["value"]


def _places(values: Any, place: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    inside = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in inside:
        yield (*place, key)
        yield from _places(value, (*place, key))
