"""Deciding where to write the translation of each input file, before anything is written."""

from __future__ import annotations

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO

from cgkit.errors import DataError, Problems, UsageError
from cgkit.files.image_files import divide, list_images
from cgkit.translation.record import NAME

Shard = tuple[int, int]
"""The number of a part of all files, from 1, and the number of parts."""

TRANSLATIONS = "earlier translations"
"""What translations in the subfolders of an input folder are called among the files that are left out."""

FileAndName = tuple[Path, Path]
"""An input file, and the path of its translation in the output folder, still with the suffix of the input file."""


def plan(
    inputs: Sequence[Path],
    output: Path,
    suffix: Callable[[str], str] = str,
    whole: Callable[[Path], str | None] = lambda path: None,
) -> list[tuple[Path, Path, DataError | None]]:
    """Return each input file, the file to write its translation to, and the error if another has that file; in order.

    Images from a folder or a pattern keep their relative paths; a single file keeps its name. What is in the output
    folder is not among the images of a folder or a pattern, so that a command can be repeated.

    Args:
        inputs: files, folders, and patterns such as `photos/**/*.png` (a file of exactly that name takes precedence).
        output: the folder to write into.
        suffix: maps the suffix of an input to that of its translation, such as `.png`.
        whole: returns the suffix to write for a file or folder that is translated as a whole; None for an image.

    Raises:
        UsageError: an input would be overwritten.
        DataError: a folder contains no images, or a pattern matches no file.
    """
    targets: dict[Path, Path] = {}
    planned: list[tuple[Path, Path, DataError | None]] = []
    for given in inputs:
        for source, name in _list_wholes(given, output, whole):
            as_whole = whole(source)
            ending = suffix(name.suffix) if as_whole is None else as_whole
            target = output / (name if ending == name.suffix else name.with_suffix(ending))
            other = targets.setdefault(target, source)
            if other == source:
                planned.append((source, target, None))
            elif not _is_same_file(other, source):
                message = f"{source}: not translated, because {other} is written to {target}, too"
                planned.append((source, target, DataError(message, hint="translate it into another folder")))
    refuse_overwriting(targets)
    return planned


def refuse_missing(inputs: Sequence[Path]) -> None:
    """Refuse inputs none of which exists, as if they were mistyped; a single missing file is reported with the others.

    Raises:
        DataError: there is no such file, folder or pattern.
    """
    if inputs and not any(os.path.lexists(given) or glob.has_magic(str(given)) for given in inputs):
        raise DataError(Problems.of(f"{given} does not exist" for given in inputs))


def list_files(inputs: Sequence[Path], output: Path) -> list[Path]:
    """Return the input files, in order; see `plan` for the arguments and errors."""
    return [source for given in inputs for source, _ in _list_files(given, output)]


def ignored_files(inputs: Sequence[Path], output: Path, whole: Callable[[Path], object]) -> Counter[str]:
    """Return how many files of the input folders are left out: by suffix, if they are not images.

    `whole` tells whether a folder is translated as a whole; of such a folder, nothing is left out.
    """
    counts: Counter[str] = Counter()
    for folder in (given for given in inputs if given.is_dir() and not whole(given)):
        names, others = divide(folder, without=_inside(folder, output))
        counts += others
        images = [folder / name for name in names]
        counts[TRANSLATIONS] += len(images) - len(_without_translations(images, folder))
    return +counts


def in_shard(target: Path, output: Path, shard: Shard) -> bool:
    """Return whether a file belongs to a shard. This depends on its path in the output folder and on nothing else."""
    number, count = shard
    digest = hashlib.sha256(os.fsencode(target.relative_to(output).as_posix())).digest()
    return int.from_bytes(digest) % count == number - 1


def listed_files(stream: BinaryIO) -> list[Path]:
    """Return the files that a stream lists, separated by newlines or, as written by `find -print0`, by NULs."""
    content = stream.read()
    separator = b"\0" if b"\0" in content else b"\n"
    names = [part.removesuffix(b"\r") if separator == b"\n" else part for part in content.split(separator)]
    return [Path(os.fsdecode(name)) for name in names if name]


def _list_files(given: Path, output: Path) -> Iterator[FileAndName]:
    if given.is_dir():
        images = _without_translations(list_images(given, without=_inside(given, output)), given)
        yield from ((source, source.relative_to(given)) for source in images)
    elif glob.has_magic(str(given)) and not given.exists():
        yield from _expand(given, output)
    else:
        yield given, Path(given.name)


def _list_wholes(given: Path, output: Path, whole: Callable[[Path], str | None]) -> Iterator[FileAndName]:
    """Yield what `_list_files` does, but a folder that is translated as a whole in place of the files in it."""
    if given.is_dir() and whole(given) is not None:
        yield given, Path(given.resolve().name)
        return
    done = set()
    for source, name in _list_files(given, output):
        folder = source.parent
        if source == given or whole(folder) is None:
            yield source, name
        elif folder not in done:
            done.add(folder)
            yield folder, name.parent


def _without_translations(images: Sequence[Path], root: Path) -> list[Path]:
    """Return the images that are not in a subfolder into which an earlier command has translated."""
    is_written = cache(lambda folder: (folder / NAME).exists())
    return [
        image for image in images if not any(is_written(root / part) for part in image.relative_to(root).parents[:-1])
    ]


def _inside(folder: Path, output: Path) -> Path | None:
    """Return the output folder if it is a subfolder of an input folder."""
    return output if folder.resolve() in output.resolve().parents else None


def _expand(pattern: Path, output: Path) -> Iterator[FileAndName]:
    parent = next(part for part in pattern.parents if not glob.has_magic(str(part)))
    files = sorted(file for file in parent.glob(str(pattern.relative_to(parent))) if file.is_file())
    if (written := _inside(parent, output)) is not None:
        files = [file for file in files if written.resolve() not in file.resolve().parents]
    if not files:
        raise DataError(f"{pattern}: no file matches")
    yield from ((file, file.relative_to(parent)) for file in files)


def refuse_overwriting(targets: Mapping[Path, Path]) -> None:
    """Refuse targets that are among the inputs.

    Raises:
        UsageError: an input would be overwritten.
    """
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
