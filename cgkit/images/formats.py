"""The image formats that are available, and which of them a file is in or is written in."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cgkit.components.formats import FORMATS
from cgkit.contracts import Format
from cgkit.errors import DataError, PluginError
from cgkit.files.image_files import listing
from cgkit.images.signatures import describe_other

PHOTOGRAPHS = ("", "exif")
"""The key of formats of photographs."""


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
    def key(self) -> tuple[str, str]:
        """What formats have in common that understand each other's `carry`: a word, or their provider and name."""
        shared = getattr(self.format, "metadata", None)
        return ("", str(shared)) if shared else (self.provider, self.name)

    @property
    def title(self) -> str:
        """The name in messages: `PNG`."""
        return self.name.upper()

    def recognises(self, start: bytes) -> bool:
        """Return whether the format recognises a file that starts with the given bytes.

        Raises:
            PluginError: the format failed, which it must not, whatever the bytes are.
        """
        with self._failure_explained("whether a file is its own"):
            return bool(self.format.recognises(start))

    def is_whole(self, path: Path) -> bool:
        """Return whether the format translates a file or a folder as a whole.

        Raises:
            PluginError: the format failed.
        """
        whole = getattr(self.format, "whole", None)
        with self._failure_explained(f"whether {path} is a whole"), suppress(OSError):  # reading the file says why
            return whole is not None and bool(whole(path))
        return False

    def suffix_of_whole(self, path: Path) -> str:
        """Return the suffix with which the translation of a whole file or folder is written: by default its own."""
        written_as = getattr(self.format, "written_as", None)
        return path.suffix if written_as is None else str(written_as(path))

    @contextmanager
    def _failure_explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a plugin's format may raise anything
            raise PluginError(
                f"format {self.name!r} of {self.provider} cannot tell {what}: {type(error).__name__}: {error}"
            ) from error


@dataclass(frozen=True)
class Carry:
    """What a file says besides its pixels; only the format that read the file understands it."""

    format: tuple[str, str]
    content: Any

    def resized(self) -> Carry | None:
        """Return what is true of an image of another size as well: date, place and camera of a photograph."""
        if self.format != PHOTOGRAPHS or "exif" not in self.content:
            return None
        return Carry(self.format, {"exif": self.content["exif"]})

    @property
    def depends_on_size(self) -> bool:
        """Whether an image of another size loses more than the resolution of a photograph."""
        return self.format != PHOTOGRAPHS or bool(self.content.get("georeference"))


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

    @contextmanager
    def listed(self) -> Iterator[None]:
        """Let `list_images` find the files of all formats during a `with` block."""
        with listing(self.suffixes):
            try:
                yield
            except DataError as error:
                if not self.missing:
                    raise
                raise DataError(error.message, hint=self._explain(error.hint)) from error

    def of_content(self, start: bytes, suffix: str) -> NamedFormat:
        """Return the format of a file that starts with the given bytes; if several recognise it, the suffix decides.

        Raises:
            DataError: no format recognises the file, or several do; the message does not name the file.
        """
        matches = [entry for entry in self._in_use if entry.recognises(start)]
        if not matches:
            if (other := describe_other(start)) is not None:
                raise DataError(f"{other[0]}: not an image that is read here", hint=self._explain(other[1]))
            titles = ", ".join(entry.title for entry in self.entries)
            raise DataError(
                f"not an image in a supported format ({titles})", hint=self._explain("convert or remove it")
            )
        return _only(_claiming(suffix, matches) or matches, "can be read")

    def of_suffix(self, suffix: str) -> NamedFormat | None:
        """Return the format in which files with a suffix are written; None if no format has the suffix.

        Raises:
            DataError: several formats have the suffix, and the spec names none of them.
        """
        matches = _claiming(suffix, self._in_use)
        return _only(matches, f"can be written as {suffix}") if matches else None

    def of_whole(self, path: Path) -> NamedFormat | None:
        """Return the format that translates a file or folder as a whole, such as a volume; None if it is an image.

        If several do, those that the spec names come first.
        """
        entries = sorted(self._in_use, key=lambda entry: not entry.chosen)
        return next((entry for entry in entries if entry.is_whole(path)), None)

    @property
    def _in_use(self) -> list[NamedFormat]:
        return [entry for entry in self.entries if entry.chosen or not getattr(entry.format, "only_if_chosen", False)]

    def _explain(self, hint: str | None) -> str:
        return "; ".join((*([hint] if hint else []), *self.missing))


@cache
def built_in() -> Formats:
    """Return the formats that ship with cgkit, with their default options."""
    entries = []
    for name, target in FORMATS.items():
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
