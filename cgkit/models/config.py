"""The `config.json` of a model folder: what it may say, with the sizes and digests of the weight files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from cgkit.checkpoints import strict_json
from cgkit.checkpoints.durable import Content, read_content
from cgkit.errors import CheckpointError
from cgkit.files.reading import read_bytes, require_regular
from cgkit.models.info import DIRECTIONS, FORMAT, MODEL, RAW

CONFIG = "config.json"
"""The name of the file."""
MAX_BYTES = 1 << 20
"""The largest accepted size of the file; cgkit writes a few kilobytes."""

_PRIVATE = ("plugins", "tracker")
"""The tables of a spec that a model does not record, because they may hold keys to its owner's services."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_STEP = 10**15


@dataclass(frozen=True)
class Config:
    """What a model folder says about its model; see `ModelInfo` for the attributes that both have.

    Attributes:
        spec: the resolved spec, as JSON values that have not been checked.
        providers: the versions of plugins by name, as a JSON value that has not been checked.
        files: the size and SHA-256 of each weight file by name; empty for folders of earlier versions.
    """

    format: int
    step: int
    averaged: bool
    directions: tuple[str, ...]
    spec: Any
    imported: tuple[str, ...] | None = None
    started: tuple[str, ...] = ()
    providers: Any = None
    files: Mapping[str, Content] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the content of the file. Of the places in the spec, such as the images' folders, it has only names."""
        values = {
            "format": self.format,
            "library_name": "cgkit",
            "step": self.step,
            "averaged": self.averaged,
            "directions": self.directions,
            **({} if self.imported is None else {"imported": self.imported}),
            **({"started": self.started} if self.started else {}),
            "providers": self.providers,
            "files": {name: {"bytes": content.size, "sha256": content.sha256} for name, content in self.files.items()},
            "spec": without_places({key: value for key, value in self.spec.items() if key not in _PRIVATE}),
        }
        return strict_json.encode(values, what=CONFIG)


def read_config(folder: Path) -> Config:
    """Read the configuration of a model folder.

    Raises:
        CheckpointError: there is none, it is damaged, or a newer version of cgkit wrote it.
    """
    file = folder / CONFIG
    try:
        return parse_config(read_bytes(file, MAX_BYTES), str(file))
    except FileNotFoundError:
        raise CheckpointError(f"{folder} holds no model: there is no {CONFIG}") from None
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror or error}") from error


def parse_config(content: bytes, name: str) -> Config:
    """Return the configuration that a file's content says; `name` names the file in messages.

    Raises:
        CheckpointError: the content is not such a configuration, or a newer version of cgkit wrote it.
    """
    try:
        if len(content) > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES // 2**20} MiB")
        values = strict_json.decode(content)
        if not isinstance(values, dict):
            raise ValueError("it is not a JSON object")
        written_by = _require_whole(values, "format")
        if written_by not in (1, FORMAT):
            problem = f"{name} has format {written_by}; this version of cgkit reads formats up to {FORMAT}"
            raise CheckpointError(problem, hint="upgrade cgkit")
        return _parse(values, written_by)
    except ValueError as error:
        raise CheckpointError(
            f"{name} is not a model's configuration: {str(error)[:200]}", hint="copy or download the model again"
        ) from error


def check_weights(file: Path, files: Mapping[str, Content]) -> None:
    """Refuse a weight file that is not the one that its folder's configuration describes.

    Args:
        file: the weight file.
        files: the `files` of the configuration; if there are none, only the kind of file is checked.

    Raises:
        CheckpointError: its size or its digest differs.
        OSError: it cannot be read.
    """
    require_regular(file)
    if not files:
        return
    recorded, size, hint = files[file.name], file.stat().st_size, "copy or download the model again"
    if size != recorded.size:
        raise CheckpointError(f"{file} has {size} bytes, not the {recorded.size} in {CONFIG}", hint=hint)
    if read_content(file) != recorded:
        problem = f"{file} is damaged or was replaced: its SHA-256 is not the one in {CONFIG}"
        raise CheckpointError(problem, hint=hint)


def without_places(value: Any) -> Any:
    """Return JSON values with only the names of files, without their folders and servers, which mean nothing elsewhere.

    A place may be private, and so may be what its URL contains, such as a password.
    """
    if isinstance(value, dict):
        return {key: without_places(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_places(inner) for inner in value]
    return name_of(value) if isinstance(value, str) and is_place(value) else value


def is_place(text: str) -> bool:
    """Return whether a text is an absolute path, of any system, or the URL of anything."""
    absolute = PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()
    return absolute or text.startswith("~") or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", text) is not None


def name_of(place: str) -> str:
    """Return the last part of a path or a URL, without the query of the URL."""
    path = re.split(r"[?#]", place, maxsplit=1)[0] if "://" in place else place
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1].lstrip("~")


def _parse(values: Mapping[str, Any], written_by: int) -> Config:
    directions = _parse_texts(values.get("directions", list(DIRECTIONS)), "directions")
    if not directions or len({*directions}) != len(directions) or not {*directions} <= {*DIRECTIONS}:
        raise ValueError(f"its directions are {', '.join(directions) or 'empty'}, not {' and '.join(DIRECTIONS)}")
    averaged = values.get("averaged")
    if not isinstance(averaged, bool):
        raise ValueError("its averaged is not true or false")
    if not isinstance(values.get("spec"), dict):
        raise ValueError("it has no spec")
    imported = values.get("imported")
    return Config(
        written_by,
        _require_whole(values, "step"),
        averaged,
        directions,
        values["spec"],
        None if imported is None else _parse_texts(imported, "imported"),
        _parse_texts(values.get("started", []), "started"),
        values.get("providers"),
        _parse_files(values["files"], averaged) if "files" in values else {},
    )


def _parse_files(values: Any, averaged: bool) -> dict[str, Content]:
    names = [MODEL, RAW] if averaged else [MODEL]
    if not isinstance(values, dict) or sorted(values) != names:
        raise ValueError(f"its files are not {' and '.join(names)}")
    files = {}
    for name, entry in values.items():
        if not isinstance(entry, dict) or not _SHA256.fullmatch(str(entry.get("sha256"))):
            raise ValueError(f"it has no SHA-256 of {name}")
        files[name] = Content(_require_whole(entry, "bytes"), entry["sha256"])
    return files


def _parse_texts(value: Any, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"its {key} are not a list of texts")
    return tuple(value)


def _require_whole(values: Mapping[str, Any], key: str) -> int:
    value = values.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_STEP:
        raise ValueError(f"its {key} is not a whole number from 0 to {_MAX_STEP:,}")
    return value
