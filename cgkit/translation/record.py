"""What a folder of translations remembers: which model made them, so that translating can go on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cgkit.errors import ResourceError, UsageError
from cgkit.files.atomic import replace_text

NAME = ".cgkit-translation.json"
FORMAT = 1


@dataclass(frozen=True)
class Record:
    """Since when, in nanoseconds of the file system's clock, one model has been filling a folder."""

    since: int

    def holds(self, target: Path, source: Path) -> bool:
        """Return whether the model has written a translation, and the image has not changed since."""
        try:
            return target.stat().st_mtime_ns >= max(self.since, source.stat().st_mtime_ns)
        except OSError:
            return False


def begin(output: Path, identity: str, targets: Iterable[Path], *, overwrite: bool) -> Record:
    """Remember which model fills a folder, before its first file is written; or go on with what it has begun.

    Args:
        output: the folder; made where it does not exist.
        identity: what tells the model from others, of `Translator.identity`.
        targets: the files to be written.
        overwrite: whether to write all of them anew, whoever wrote what is there.

    Raises:
        UsageError: a file that this model did not write would be replaced.
        ResourceError: the folder cannot be made or written in.
    """
    file = output / NAME
    if not overwrite:
        if _identity_in(file) == identity:
            return Record(file.stat().st_mtime_ns)
        if foreign := [target for target in targets if target.exists()]:
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            raise UsageError(
                f"{foreign[0]}{more} would be replaced, and this model did not write it",
                hint="choose another --output, or allow it with --overwrite",
            )
    try:
        output.mkdir(parents=True, exist_ok=True)
        replace_text(file, json.dumps({"format": FORMAT, "model": identity}, indent=2) + "\n")
        return Record(file.stat().st_mtime_ns)
    except OSError as error:
        raise ResourceError(f"{output} cannot be written in: {error.strerror or error}") from error


def _identity_in(file: Path) -> str | None:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(values.get("model")) if isinstance(values, dict) and values.get("format") == FORMAT else None
