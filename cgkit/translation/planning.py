"""Deciding where to write the translation of each input file, before anything is written."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from cgkit.errors import DataError, UsageError
from cgkit.files.image_files import list_images

FileAndName = tuple[Path, Path]
"""An input file, and the path of its translation in the output folder, still with the suffix of the input file."""


def plan(inputs: Sequence[Path], output: Path, suffix: Callable[[str], str] = str) -> list[tuple[Path, Path]]:
    """Return each input file and the file to write its translation to, in order.

    Images from a folder or a pattern keep their relative paths; a single file keeps its name.

    Args:
        inputs: files, folders, and patterns such as `photos/**/*.png` (a file of exactly that name takes precedence).
        output: the folder to write into.
        suffix: maps the suffix of an input to that of its translation, such as `.png`.

    Raises:
        UsageError: two files would be written to the same file, or an input would be overwritten.
        DataError: a folder contains no images, or a pattern matches no file.
    """
    targets: dict[Path, Path] = {}
    for given in inputs:
        for source, name in _list_files(given):
            ending = suffix(name.suffix)
            target = output / (name if ending == name.suffix else name.with_suffix(ending))
            if target in targets and not _is_same_file(targets[target], source):
                raise UsageError(
                    f"{targets[target]} and {source} would both be written to {target}",
                    hint="translate them into different folders",
                )
            targets[target] = source
    _refuse_overwriting(targets)
    return [(source, target) for target, source in targets.items()]


def listed_files(stream: BinaryIO) -> list[Path]:
    """Return the files that a stream lists, separated by newlines or, as written by `find -print0`, by NULs."""
    content = stream.read()
    separator = b"\0" if b"\0" in content else b"\n"
    names = [part.removesuffix(b"\r") if separator == b"\n" else part for part in content.split(separator)]
    return [Path(os.fsdecode(name)) for name in names if name]


def _list_files(given: Path) -> Iterator[FileAndName]:
    if given.is_dir():
        yield from ((source, source.relative_to(given)) for source in list_images(given))
    elif glob.has_magic(str(given)) and not given.exists():
        yield from _expand(given)
    else:
        yield given, Path(given.name)


def _expand(pattern: Path) -> Iterator[FileAndName]:
    parent = next(part for part in pattern.parents if not glob.has_magic(str(part)))
    files = sorted(file for file in parent.glob(str(pattern.relative_to(parent))) if file.is_file())
    if not files:
        raise DataError(f"{pattern}: no file matches")
    yield from ((file, file.relative_to(parent)) for file in files)


def _refuse_overwriting(targets: dict[Path, Path]) -> None:
    # Compare the files instead of their names, because the target may be a link to an input.
    inputs = {_identify(source): source for source in targets.values() if source.exists()}
    for target in targets:
        if target.exists() and (source := inputs.get(_identify(target))):
            raise UsageError(f"{source} would be overwritten", hint="choose another --output")


def _is_same_file(first: Path, second: Path) -> bool:
    return first == second or (first.exists() and second.exists() and first.samefile(second))


def _identify(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_dev, status.st_ino
