"""Remember the headers of large folders of images, so that 200,000 files are not all opened at every start.

A header is used again only if the file has the same size and times, and the formats are those that read it. Reading an
image never relies on it. The database lies in the cache folder, and may be deleted at any time.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

from cgkit.contracts import ImageHeader
from cgkit.files.cache import cache_folder
from cgkit.images.admission import inspect_image
from cgkit.images.formats import Formats, built_in
from cgkit.images.pixels import PixelFormat

FILE = "image-headers.sqlite"
WORTH_IT = 1000
"""How many headers of a folder must be new for it to be remembered; fewer are read in a moment."""

_TABLE = """
create table if not exists files (
    reader text, folder blob, name blob, size integer, modified integer, changed integer, header text,
    primary key (reader, folder, name)
) without rowid
"""
_State = tuple[int, int, int]
"""The size of a file in bytes, and the times in ns at which its content and its entry were changed."""

_Known = dict[str, tuple[_State, ImageHeader]]
"""The files of a folder by name."""


class KnownHeaders:
    """Reads headers of image files, or remembers them from earlier `with` blocks.

    Args:
        pixels: the pixel format of the domain.
        formats: the available formats; by default those that ship with cgkit.
    """

    def __init__(self, pixels: PixelFormat, formats: Formats | None = None) -> None:
        self.pixels = pixels
        self.formats = formats or built_in()
        self._reader = _identify_reader(pixels, self.formats)
        self._known: dict[str, _Known] = {}
        self._new: dict[str, _Known] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._save()

    def inspect(self, path: str) -> ImageHeader:
        """Return the header of an image file, as `inspect_image` does.

        Raises:
            DataError: the file cannot be read, or fails a check.
        """
        state = _read_state(path)
        folder, _, name = path.rpartition(os.sep)
        if folder not in self._known:
            self._known[folder] = _load(self._reader, folder)
            self._new[folder] = {}
        known = self._known[folder].get(name)
        if known is not None and known[0] == state:
            return known[1]
        header = inspect_image(Path(path), self.pixels, self.formats)
        if state is not None:
            self._new[folder][name] = state, header
        return header

    def _save(self) -> None:
        rows = [
            (self._reader, os.fsencode(folder), os.fsencode(name), *state, json.dumps(asdict(header)))
            for folder, new in self._new.items()
            if self._reader is not None and len(new) >= WORTH_IT
            for name, (state, header) in new.items()
        ]
        if rows:
            # A cache that cannot be written only costs time.
            with suppress(sqlite3.Error, OSError, OverflowError), _database() as database, database:
                database.executemany("insert or replace into files values (?, ?, ?, ?, ?, ?, ?)", rows)


def _read_state(path: str) -> _State | None:
    """Return what changes with a file; None if it has no such state, or is no regular file."""
    try:
        status = os.stat(path)  # noqa: PTH116 - of perhaps 200,000 files
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _identify_reader(pixels: PixelFormat, formats: Formats) -> str | None:
    """Return what a header depends on besides its file: formats, their versions, and how the spec reads files.

    None if a format is no package's, so that it has no version.
    """
    entries = [(entry.name, entry.provider, entry.chosen) for entry in formats.entries]
    packages = sorted({"pillow", *(provider for _, provider, _ in entries)})
    try:
        return json.dumps([asdict(pixels.reading), entries, [(package, version(package)) for package in packages]])
    except (PackageNotFoundError, ValueError):
        return None


def _load(reader: str | None, folder: str) -> _Known:
    if reader is None or not (cache_folder() / FILE).exists():
        return {}
    # A damaged cache only costs time.
    with suppress(sqlite3.Error, OSError, ValueError, TypeError, KeyError), _database() as database:
        query = "select name, size, modified, changed, header from files where reader = ? and folder = ?"
        rows = database.execute(query, (reader, os.fsencode(folder)))
        return {os.fsdecode(name): ((*state,), _parse(header)) for name, *state, header in rows}
    return {}


@lru_cache(maxsize=1000)  # the headers of many images are the same
def _parse(text: str) -> ImageHeader:
    values = json.loads(text)
    return ImageHeader(**{**values, "notes": tuple(values["notes"])})


@contextmanager
def _database() -> Iterator[sqlite3.Connection]:
    file = cache_folder() / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as database:
        database.execute(_TABLE)
        yield database
