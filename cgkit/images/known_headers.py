"""Remember the headers of large folders of images, so that 200,000 files are not all opened at every start.

A header is used again only if the file has the same size and times, and the formats are those that read it. Reading an
image never relies on it. The files lie in the cache folder, one for each folder of images, and may be deleted at any
time.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from cgkit.contracts import ImageHeader
from cgkit.files.atomic import replacing
from cgkit.files.cache import cache_folder
from cgkit.images.admission import inspect_image
from cgkit.images.formats import Formats, built_in
from cgkit.images.pixels import PixelFormat

FOLDER = "image-headers"
WORTH_IT = 1000
"""How many headers of a folder must be new for it to be remembered; fewer are read in a moment."""

STATE = ("size", "modified", "changed")
_State = tuple[int, int, int]
"""The size of a file in bytes, and the times in ns at which its content and its entry were changed."""


class _Known:
    """The headers of the files of a folder, in columns: a tuple for each of 200,000 files would take long to make."""

    def __init__(
        self, names: Iterable[str] = (), states: Sequence[array[int]] = (), headers: Iterable[ImageHeader] = ()
    ) -> None:
        self.rows = {name: row for row, name in enumerate(names)}
        self.states = states or (array("q"), array("q"), array("q"))
        self.headers = list(headers)
        self.new = 0

    def find(self, name: str, state: _State | None) -> ImageHeader | None:
        row = self.rows.get(name)
        if row is None or tuple(column[row] for column in self.states) != state:
            return None
        return self.headers[row]

    def add(self, name: str, state: _State, header: ImageHeader) -> None:
        if max(state) >= 2**63:  # a date in the far future
            return
        self.new += 1
        row = self.rows.setdefault(name, len(self.headers))
        for column, value in zip(self.states, state, strict=True):
            column[row : row + 1] = array("q", [value])
        self.headers[row : row + 1] = [header]


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
        self._folders: dict[str, _Known] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for folder, known in self._folders.items():
            if self._reader is not None and known.new >= WORTH_IT:
                # A cache that cannot be written only costs time.
                with suppress(OSError, SafetensorError):
                    _write(_file(self._reader, folder), known)

    def inspect(self, path: str) -> tuple[ImageHeader, int]:
        """Return the header of an image file, as `inspect_image` does, and the size of the file in bytes.

        Raises:
            DataError: the file cannot be read, or fails a check.
        """
        state = _read_state(path)
        folder, _, name = path.rpartition(os.sep)
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = _load(self._reader, folder)
        header = known.find(name, state)
        if header is None:
            header = inspect_image(Path(path), self.pixels, self.formats)
            if state is not None:
                known.add(name, state, header)
        return header, state[0] if state is not None else 0


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


def _file(reader: str, folder: str) -> Path:
    key = hashlib.sha256(f"{reader}\0{folder}".encode("utf-8", "surrogateescape")).hexdigest()
    return cache_folder() / FOLDER / f"{key[:32]}.safetensors"


def _write(file: Path, known: _Known) -> None:
    numbers = {header: number for number, header in enumerate(dict.fromkeys(known.headers))}
    columns: dict[str, NDArray[Any]] = {
        "names": np.frombuffer(os.fsencode("\0".join(known.rows)), dtype=np.uint8),
        "headers": np.array([numbers[header] for header in known.headers], dtype=np.int32),
        **{name: np.array(column) for name, column in zip(STATE, known.states, strict=True)},
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary:
        save_file(columns, temporary, {"headers": json.dumps([asdict(header) for header in numbers])})


def _load(reader: str | None, folder: str) -> _Known:
    if reader is None or not (file := _file(reader, folder)).is_file():
        return _Known()
    # A damaged cache only costs time.
    with (
        suppress(OSError, SafetensorError, ValueError, TypeError, KeyError, IndexError),
        safe_open(file, "np") as saved,
    ):
        names = os.fsdecode(saved.get_tensor("names").tobytes()).split("\0")
        saved_headers = json.loads(saved.metadata()["headers"])
        headers = [ImageHeader(**{**values, "notes": tuple(values["notes"])}) for values in saved_headers]
        states = [array("q", saved.get_tensor(name).tobytes()) for name in STATE]
        known = _Known(names, states, [headers[number] for number in saved.get_tensor("headers").tolist()])
        if {len(known.headers), *map(len, states)} == {len(known.rows)}:
            return known
    return _Known()
