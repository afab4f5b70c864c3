"""Find the line of each value in a TOML text, and refuse texts that would take too long to parse."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

MAX_DEPTH = 32
"""Limit on the parts of a key and on the nesting of brackets, since tomllib takes quadratic time for long keys."""

MAX_TOKENS = 40_000
"""Limit on the total of keys, values, punctuation and line ends, so that parsing takes a fraction of a second."""

Place = tuple[str, ...]
"""The keys that lead to a value; array elements are numbered from "0"."""

# Every branch also matches an unterminated string, so that matching takes linear time on any text.
_TOKEN = re.compile(
    r'''
      """(?:[^"\\]|\\.?|"{1,2}(?!"))*+(?:"{3,5})?
    | \'\'\'(?:[^']|'{1,2}(?!'))*+(?:'{3,5})?
    | "(?:[^"\\\n]|\\[^\n]?)*+"?
    | '[^'\n]*+'?
    | \#[^\n]*+
    | [\[\]{}=,.\n]
    | [^\s\[\]{}=,.\#"']++
    ''',
    re.VERBOSE | re.DOTALL,
)


def find_excess(text: str) -> tuple[str, int] | None:
    """Return why a text is too complex to parse, and the line where it exceeds a limit, or None if it does not."""
    dots = brackets = 0
    for number, (token, line) in enumerate(_tokenize(text)):
        if token == ".":
            dots += 1
        elif token in ("[", "{"):
            brackets += 1
        elif token in ("]", "}"):
            brackets -= 1
        if token in ("[", "]", "{", "}", "=", ",", "\n"):
            dots = 0
        if dots >= MAX_DEPTH or brackets > MAX_DEPTH:
            return f"nested too deeply: the limit is {MAX_DEPTH} parts of a key or nested brackets", line
        if number >= MAX_TOKENS:
            return "too many keys and values", line
    return None


def lines_of(text: str) -> dict[Place, int]:
    """Return the line on which each table, key and array element of a valid TOML text first appears."""
    return _Scanner(text).scan()


def unquote(key: str) -> str:
    """Return the value of one part of a TOML key, without quotes and escapes.

    Raises:
        ValueError: the part is quoted and contains a malformed escape.
    """
    return next(iter(tomllib.loads(f"{key} = 0"))) if key[0] in "\"'" else key


def _tokenize(text: str) -> Iterator[tuple[str, int]]:
    line = 1
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token[0] != "#":
            yield token, line
        line += token.count("\n")


class _Scanner:
    """A scanner for the lines of values in a text that tomllib has accepted; it does not check the syntax."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Place, int] = {}
        self._last_table: dict[Place, int] = {}
        self._tokens = [*_tokenize(text), ("\n", 0)]
        self._next = 0

    def scan(self) -> dict[Place, int]:
        table: Place = ()
        while self._next < len(self._tokens):
            if self._peek() == "\n":
                self._take()
            elif self._peek() == "[":
                table = self._scan_header()
            else:
                self._scan_assignment(table)
        return self._lines

    def _scan_header(self) -> Place:
        line = self._take()
        in_array = self._peek() == "["
        if in_array:
            self._take()
        keys = self._scan_key()
        place: Place = ()
        for number, key in enumerate(keys, 1):
            place = (*place, key)
            self._record(place, line)
            if in_array and number == len(keys):
                self._last_table[place] = self._last_table.get(place, -1) + 1
            if place in self._last_table:
                place = (*place, str(self._last_table[place]))
                self._record(place, line)
        while self._peek() == "]":
            self._take()
        return place

    def _scan_assignment(self, table: Place) -> None:
        line = self._tokens[self._next][1]
        place = table
        for key in self._scan_key():
            place = (*place, key)
            self._record(place, line)
        self._take()
        self._scan_value(place)

    def _scan_key(self) -> list[str]:
        keys = []
        while self._peek() not in ("=", "]"):
            if self._peek() != ".":
                keys.append(unquote(self._peek()))
            self._take()
        return keys

    def _scan_value(self, place: Place) -> None:
        opening = self._peek()
        if opening not in ("[", "{"):
            while self._peek() not in ("\n", ",", "]", "}"):
                self._take()
            return
        self._take()
        elements = 0
        while self._peek() not in ("]", "}"):
            if self._peek() in (",", "\n"):
                self._take()
            elif opening == "{":
                self._scan_assignment(place)
            else:
                element = (*place, str(elements))
                self._record(element, self._tokens[self._next][1])
                self._scan_value(element)
                elements += 1
        self._take()

    def _record(self, place: Place, line: int) -> None:
        self._lines.setdefault(place, line)

    def _peek(self) -> str:
        return self._tokens[self._next][0]

    def _take(self) -> int:
        """Consume a token and return its line."""
        self._next += 1
        return self._tokens[self._next - 1][1]
