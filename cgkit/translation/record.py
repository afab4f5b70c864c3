"""The record of the model that wrote a folder of translations, so that an interrupted translation can be continued."""

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
    """The time at which a model started writing into a folder, in nanoseconds of the file system's clock."""

    since: int

    def holds(self, target: Path, source: Path) -> bool:
        """Return whether the model wrote `target` and `source` has not changed since, based on modification times."""
        try:
            return target.stat().st_mtime_ns >= max(self.since, source.stat().st_mtime_ns)
        except OSError:
            return False


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
    file = output / NAME
    if not overwrite:
        if _read_identity(file) == identity:
            return Record(file.stat().st_mtime_ns)
        if foreign := [target for target in targets if target.exists()]:
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            raise UsageError(
                f"{foreign[0]}{more} would be replaced, but this model did not write it in this direction",
                hint="choose another --output, or allow it with --overwrite",
            )
    try:
        output.mkdir(parents=True, exist_ok=True)
        replace_text(file, json.dumps({"format": FORMAT, "model": identity}, indent=2) + "\n")
        return Record(file.stat().st_mtime_ns)
    except OSError as error:
        raise ResourceError(f"cannot write to {output}: {error.strerror or error}") from error


def _read_identity(file: Path) -> str | None:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(values.get("model")) if isinstance(values, dict) and values.get("format") == FORMAT else None
