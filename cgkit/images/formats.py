"""The image formats that are available, and which of them a file is in or is written in."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from cgkit.components.formats import BUILT_IN
from cgkit.contracts import Format
from cgkit.errors import DataError


@dataclass(frozen=True)
class NamedFormat:
    """A format, and how it is called.

    Attributes:
        name: the name of the format in a spec.
        provider: the package that provides it.
        format: the format itself.
        chosen: whether the spec names it, so that it is preferred to others for the same files.
    """

    name: str
    provider: str
    format: Format
    chosen: bool = False

    @property
    def title(self) -> str:
        """The name in messages: `PNG`."""
        return self.name.upper()


@dataclass(frozen=True)
class Carry:
    """What a file says besides its pixels; only the format that read the file understands it."""

    format: str
    content: Any


@dataclass(frozen=True)
class Formats:
    """The available formats. They travel with `Preparation` to the processes that load images.

    Attributes:
        entries: the formats, those of cgkit first.
        missing: why other formats are not available, one sentence each.
    """

    entries: tuple[NamedFormat, ...]
    missing: tuple[str, ...] = ()

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes of all formats, each once."""
        return tuple(dict.fromkeys(suffix for entry in self.entries for suffix in entry.format.suffixes))

    def of_content(self, start: bytes, suffix: str) -> NamedFormat:
        """Return the format of a file that starts with the given bytes; if several recognise it, the suffix decides.

        Raises:
            DataError: no format recognises the file, or several do; the message does not name the file.
        """
        matches = [entry for entry in self.entries if entry.format.recognises(start)]
        if not matches:
            titles = ", ".join(entry.title for entry in self.entries)
            raise DataError(f"not an image in a supported format ({titles})", hint=self._explain("remove it"))
        return _only(_claiming(suffix, matches) or matches, "can be read")

    def of_suffix(self, suffix: str) -> NamedFormat | None:
        """Return the format in which files with a suffix are written; None if no format has the suffix.

        Raises:
            DataError: several formats have the suffix, and the spec names none of them.
        """
        matches = _claiming(suffix, self.entries)
        return _only(matches, f"can be written as {suffix}") if matches else None

    def _explain(self, remedy: str) -> str:
        return "; ".join((remedy, *self.missing))


@cache
def built_in() -> Formats:
    """Return the formats that ship with cgkit, with their default options."""
    entries = []
    for name, target in BUILT_IN.items():
        module, _, attribute = target.partition(":")
        entries.append(NamedFormat(name, "cgkit", getattr(importlib.import_module(module), attribute)()))
    return Formats(tuple(entries))


def _claiming(suffix: str, entries: Sequence[NamedFormat]) -> list[NamedFormat]:
    return [entry for entry in entries if suffix.lower() in entry.format.suffixes]


def _only(matches: Sequence[NamedFormat], what: str) -> NamedFormat:
    """Return the only format, or the only one that the spec names."""
    chosen = [entry for entry in matches if entry.chosen] or matches
    if len(chosen) > 1:
        names = " and as ".join(f"{entry.title} of {entry.provider}" for entry in chosen)
        raise DataError(f"{what} as {names}", hint=f'choose one in the spec: [[format]] name = "{chosen[0].name}"')
    return chosen[0]
