"""The record of what a model has written into a folder of translations, so that an interrupted translation continues.

`.cgkit-translation.json` names the model. `.cgkit-translation.jsonl` has a line for each finished file: the marks of
its source and of its translation at that time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cgkit.errors import ResourceError, UsageError
from cgkit.files.atomic import replace_text
from cgkit.files.reading import parse_json, read_bytes, read_object

NAME = ".cgkit-translation.json"
LINES = ".cgkit-translation.jsonl"
FORMAT = 2
LARGEST = 1 << 30
"""The most bytes of the file with the lines, enough for millions of translations."""

Mark = list[int]
"""The number of files, their size in bytes and the newest modification time in nanoseconds."""


@dataclass(frozen=True)
class Record:
    """What a model has written into a folder.

    Attributes:
        folder: the folder.
        identity: a string that identifies the model.
        done: for each finished translation, by its path in the folder, the marks of its source and of itself.
    """

    folder: Path
    identity: str
    done: Mapping[str, list[Mark]] = field(default_factory=dict)

    def holds(self, target: Path, source: Path) -> bool:
        """Return whether the model wrote `target`, and neither that nor `source` is another file since."""
        known = self.done.get(self._name(target))
        return known is not None and known == _marks(source, target)

    def add(self, target: Path, source: Path) -> None:
        """Record that the model wrote `target`.

        Raises:
            ResourceError: the record cannot be written.
        """
        line = json.dumps({"file": self._name(target), "marks": _marks(source, target)})
        try:
            with (self.folder / LINES).open("ab") as stream:  # in one write, since several processes may add lines
                stream.write(f"\n{line}\n".encode())  # the line before may be incomplete
        except OSError as error:
            raise _not_written(self.folder, error) from error

    def refuse_others(self) -> None:
        """Refuse to go on if another model has begun to write into the folder, too.

        Raises:
            UsageError: it has.
        """
        if _read_identity(self.folder / NAME) != self.identity:
            raise UsageError(
                f"another model, or another direction, has begun to write into {self.folder}",
                hint="choose another --output for one of them, and translate again",
            )

    def _name(self, target: Path) -> str:
        return target.relative_to(self.folder).as_posix()


def begin(output: Path, identity: str, targets: Iterable[Path], *, overwrite: bool) -> Record:
    """Record which model writes into a folder, before any file is written; return an earlier record of the same model.

    Args:
        output: the folder; created if it does not exist.
        identity: a string that identifies the model (see `Translator.identity`).
        targets: the files to write.
        overwrite: whether to write all targets again, even those that another model wrote.

    Raises:
        UsageError: a file that this model did not write would be replaced, and `overwrite` is false.
        ResourceError: the folder cannot be created or written to.
    """
    file, found = output / NAME, None if overwrite else _read_identity(output / NAME)
    if found == identity:
        return Record(output, identity, dict(_read_lines(output / LINES)))
    if not overwrite and (foreign := [target for target in targets if target.exists()]):
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise UsageError(
            f"{foreign[0]}{more} would be replaced, but this model did not write it in this direction",
            hint="choose another --output, or allow it with --overwrite",
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
        _claim(file, json.dumps({"format": FORMAT, "model": identity}, indent=2) + "\n")
        (output / LINES).unlink(missing_ok=True)
    except FileExistsError:  # another process was faster: perhaps it translates another part with the same model
        return begin(output, identity, targets, overwrite=overwrite)
    except OSError as error:
        raise _not_written(output, error) from error
    return Record(output, identity)


def _claim(file: Path, text: str) -> None:
    """Write a file; raise `FileExistsError` if another process has just written it."""
    if os.path.lexists(file):
        replace_text(file, text)
        return
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    try:
        file.hardlink_to(temporary)  # unlike a renamed file, a link replaces nothing
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # a file system without links
        replace_text(file, text)
    finally:
        temporary.unlink()


def _read_identity(file: Path) -> str | None:
    try:
        values = read_object(file)
    except (OSError, ValueError):
        return None
    return str(values.get("model")) if values.get("format") in (1, FORMAT) else None  # 1 had no lines


def _read_lines(file: Path) -> Iterator[tuple[str, list[Mark]]]:
    try:
        lines = read_bytes(file, LARGEST).splitlines()
    except OSError:
        return  # everything is translated again
    for line in lines:
        try:
            values = parse_json(line)
            yield str(values["file"]), values["marks"]
        except (ValueError, KeyError, TypeError):
            continue  # incomplete, because its process was killed


def _marks(*paths: Path) -> list[Mark] | None:
    """Return the marks of files or folders; None if one is missing or empty."""
    marks = []
    for path in paths:
        try:
            files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
            statuses = [file.stat() for file in files]
        except OSError:
            return None
        size = sum(status.st_size for status in statuses)
        if not size:
            return None
        marks.append([len(statuses), size, max(status.st_mtime_ns for status in statuses)])
    return marks


def _not_written(output: Path, error: OSError) -> ResourceError:
    return ResourceError(f"cannot write to {output}: {error.strerror or error}")
