"""Changes of a run: settings and images that differ from those before, and the file `changes.jsonl` that lists them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cgkit.errors import DataError, ResourceError
from cgkit.files import json_lines
from cgkit.files.atomic import replace_text
from cgkit.models.config import without_places

FILE = "changes.jsonl"


@dataclass(frozen=True)
class Change:
    """A setting of the spec, or the images of a domain, that is no longer what it was.

    Attributes:
        path: the place in the spec, such as `train.learning_rate`; `data.a` also stands for the images of domain a.
        old: the value before; None if it was absent.
        new: the value now; None if it is absent.
        step: the number of steps that were done before the change.
    """

    path: str
    old: Any
    new: Any
    step: int = 0

    def __str__(self) -> str:
        return f"after step {self.step}: {self.path} from {shorten(self.old)} to {shorten(self.new)}"

    def without_places(self) -> Change:
        """Return the change for people elsewhere, with the names of folders and without where they are."""
        return replace(self, old=without_places(self.old), new=without_places(self.new))


def with_hint_on_moved_data(error: DataError) -> DataError:
    """Return the error of a run whose images cannot be read, with what to do if their folders have moved."""
    hint = "if the images have moved, say where they are: --set data.a=FOLDER, or data.b, data.test_a, data.test_b"
    return DataError(error.message, hint="; ".join(filter(None, (error.hint, hint))))


def is_within(path: str, tables: Sequence[str]) -> bool:
    """Return whether a dotted path is one of `tables`, or inside one of them."""
    return any(path == table or path.startswith(f"{table}.") for table in tables)


def difference(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> Iterator[Change]:
    """Yield the differences between two nested mappings, by dotted path."""
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        inner = f"{path}.{key}" if path else str(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from difference(before, after, inner)
        elif before != after:
            yield Change(inner, before, after)


def keep_changes(folder: Path, changes: Sequence[Change], step: int) -> list[Change]:
    """Append changes that take effect after `step` to the file in a run folder, and return them with that step.

    If the run goes on from an earlier step than one of the changes before, that change takes effect there as well.

    Raises:
        ResourceError: the file cannot be written.
    """
    before, added = read_changes(folder), [replace(change, step=step) for change in changes]
    moved = [replace(change, step=min(change.step, step)) for change in before]
    try:
        if moved != list(before):
            replace_text(folder / FILE, "".join(json.dumps(asdict(change)) + "\n" for change in moved))
        for change in added:
            json_lines.append(folder / FILE, asdict(change))
    except OSError as error:
        raise ResourceError(f"{folder / FILE} cannot be written: {error.strerror or error}") from error
    return added


def read_changes(folder: Path) -> tuple[Change, ...]:
    """Return the changes of a run in order; invalid lines, such as an incomplete last one, are skipped.

    Raises:
        CheckpointError: the file cannot be read.
    """
    lines, known = json_lines.read_record(folder / FILE), Change.__dataclass_fields__.keys()
    valid = [values for values in lines if values.keys() == known and isinstance(values["path"], str)]
    return tuple(Change(**values) for values in valid)


def shorten(value: Any) -> str:
    """Return a value of a spec as text of at most 100 characters."""
    text = json.dumps(value, ensure_ascii=False)
    return "absent" if value is None else text if len(text) <= 100 else f"{text[:97]}..."
