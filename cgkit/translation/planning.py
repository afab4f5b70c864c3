"""Which file is translated into which: what is asked for, looked at before anything is written."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from cgkit.errors import DataError, UsageError
from cgkit.files.image_files import list_images

Place = tuple[Path, Path]
"""A file, and its name in the folder of translations."""


def plan(inputs: Sequence[Path], output: Path, suffix: Callable[[str], str] = str) -> list[Place]:
    """Return each image to be translated and the file that its translation goes into, in order.

    A folder's images, and what a pattern finds, keep their place below it; a file keeps its name.

    Args:
        inputs: files, folders, and patterns such as `photos/**/*.png` (a file of that very name comes first).
        output: the folder to write into.
        suffix: what a name ends with, such as `.png`, by its own suffix.

    Raises:
        UsageError: two images would be written to one file, or an image would be overwritten.
        DataError: a folder holds no images, or a pattern finds no file.
    """
    targets: dict[Path, Path] = {}
    for given in inputs:
        for source, name in _places(given):
            ending = suffix(name.suffix)
            target = output / (name if ending == name.suffix else name.with_suffix(ending))
            if target in targets and not _same(targets[target], source):
                raise UsageError(
                    f"{targets[target]} and {source} would both be written to {target}",
                    hint="translate them into different folders",
                )
            targets[target] = source
    _refuse_overwriting(targets)
    return [(source, target) for target, source in targets.items()]


def listed_files(stream: BinaryIO) -> list[Path]:
    """Return the files that a stream names, one a line, or each ended by a NUL as `find -print0` does."""
    content = stream.read()
    separator = b"\0" if b"\0" in content else b"\n"
    names = [part.removesuffix(b"\r") if separator == b"\n" else part for part in content.split(separator)]
    return [Path(os.fsdecode(name)) for name in names if name]


def _places(given: Path) -> Iterator[Place]:
    if given.is_dir():
        yield from ((source, source.relative_to(given)) for source in list_images(given))
    elif glob.has_magic(str(given)) and not given.exists():
        yield from _found(given)
    else:
        yield given, Path(given.name)


def _found(pattern: Path) -> Iterator[Place]:
    above = next(part for part in pattern.parents if not glob.has_magic(str(part)))
    files = sorted(file for file in above.glob(str(pattern.relative_to(above))) if file.is_file())
    if not files:
        raise DataError(f"{pattern}: no file is called so")
    yield from ((file, file.relative_to(above)) for file in files)


def _refuse_overwriting(targets: dict[Path, Path]) -> None:
    """Whatever a name or a link leads to: no file that is to be read may be written."""
    inputs = {_identity(source): source for source in targets.values() if source.exists()}
    for target in targets:
        if target.exists() and (source := inputs.get(_identity(target))):
            raise UsageError(f"{source} would be overwritten", hint="choose another --output")


def _same(one: Path, other: Path) -> bool:
    return one == other or (one.exists() and other.exists() and one.samefile(other))


def _identity(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_dev, status.st_ino
