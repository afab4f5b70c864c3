"""On which line of a TOML text each value stands, and whether the text is too much to be read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

MAX_DEPTH = 32
"""More parts in a key, or brackets in brackets, than any spec has; tomllib takes quadratic time over such keys."""

MAX_TOKENS = 40_000
"""Keys, values, brackets, commas and line ends: what is read in a fraction of a second."""

Place = tuple[str, ...]
"""The keys that lead to a value; the elements of an array count from "0"."""

# Every branch also takes a string that is never closed, so that no text takes more than linear time.
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


def overload(text: str) -> tuple[str, int] | None:
    """Return why a text is too much to be read, and on which line it becomes so; None where all is well."""
    dots = brackets = 0
    for number, (token, line) in enumerate(_tokens(text)):
        if token == ".":
            dots += 1
        elif token in ("[", "{"):
            brackets += 1
        elif token in ("]", "}"):
            brackets -= 1
        if token in ("[", "]", "{", "}", "=", ",", "\n"):
            dots = 0
        if dots >= MAX_DEPTH or brackets > MAX_DEPTH:
            return f"nested too deeply: {MAX_DEPTH} parts of a key, or brackets in brackets, are the most", line
        if number >= MAX_TOKENS:
            return "too many keys and values", line
    return None


def lines_of(text: str) -> dict[Place, int]:
    """Return the line on which each table, key and array element of a valid TOML text first stands."""
    return _Scanner(text).scan()


def unquoted(key: str) -> str:
    """Return one part of a key as TOML understands it.

    Raises:
        ValueError: it is quoted and holds a malformed escape.
    """
    return next(iter(tomllib.loads(f"{key} = 0"))) if key[0] in "\"'" else key


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line = 1
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token[0] != "#":
            yield token, line
        line += token.count("\n")


class _Scanner:
    """Walks through a text that tomllib has accepted, so that nothing needs to be checked again."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Place, int] = {}
        self._last_table: dict[Place, int] = {}
        self._tokens = [*_tokens(text), ("\n", 0)]
        self._next = 0

    def scan(self) -> dict[Place, int]:
        table: Place = ()
        while self._next < len(self._tokens):
            if self._peek() == "\n":
                self._take()
            elif self._peek() == "[":
                table = self._header()
            else:
                self._assignment(table)
        return self._lines

    def _header(self) -> Place:
        line = self._take()
        in_array = self._peek() == "["
        if in_array:
            self._take()
        keys = self._key()
        place: Place = ()
        for number, key in enumerate(keys, 1):
            place = (*place, key)
            self._note(place, line)
            if in_array and number == len(keys):
                self._last_table[place] = self._last_table.get(place, -1) + 1
            if place in self._last_table:
                place = (*place, str(self._last_table[place]))
                self._note(place, line)
        while self._peek() == "]":
            self._take()
        return place

    def _assignment(self, table: Place) -> None:
        line = self._tokens[self._next][1]
        place = table
        for key in self._key():
            place = (*place, key)
            self._note(place, line)
        self._take()
        self._value(place)

    def _key(self) -> list[str]:
        keys = []
        while self._peek() not in ("=", "]"):
            if self._peek() != ".":
                keys.append(unquoted(self._peek()))
            self._take()
        return keys

    def _value(self, place: Place) -> None:
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
                self._assignment(place)
            else:
                element = (*place, str(elements))
                self._note(element, self._tokens[self._next][1])
                self._value(element)
                elements += 1
        self._take()

    def _note(self, place: Place, line: int) -> None:
        self._lines.setdefault(place, line)

    def _peek(self) -> str:
        return self._tokens[self._next][0]

    def _take(self) -> int:
        """Go on to the next token; return the line of the one that was taken."""
        self._next += 1
        return self._tokens[self._next - 1][1]
