"""The MANIFEST.json of a checkpoint, which is written last and lists its other files with their sizes and hashes."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgkit.checkpoints import strict_json
from cgkit.checkpoints.durable import Content, read_content
from cgkit.errors import CheckpointError
from cgkit.files.reading import read_bytes

MANIFEST = "MANIFEST.json"
STATE = "state.json"
FORMAT = 1
MAX_STATE = 64 << 20  # bytes of state.json

_FILE = re.compile(r"[a-z][a-z0-9_-]{0,63}\.safetensors|state\.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_MANIFEST = 1 << 20  # bytes, enough for about 5,000 files


class DamagedCheckpointError(CheckpointError):
    """A checkpoint is damaged: its files do not match what was written. The previous checkpoint may still be intact."""


@dataclass(frozen=True)
class Manifest:
    """The step of a checkpoint, and the size and hash of each of its files by name."""

    step: int
    files: Mapping[str, Content]

    def encode(self) -> bytes:
        """Return the manifest as JSON text."""
        files = {name: {"bytes": content.size, "sha256": content.sha256} for name, content in self.files.items()}
        return strict_json.encode({"format": FORMAT, "step": self.step, "files": files}, what=MANIFEST)


def tensor_file(stem: str) -> str:
    """Return the file name for the set of tensors called `stem`, such as `model`.

    Raises:
        ValueError: `stem` is too long, does not begin with a lower-case letter, or contains characters other than
            lower-case letters, digits, `_` and `-`.
    """
    name = f"{stem}.safetensors"
    if not _FILE.fullmatch(name):
        raise ValueError(f"{stem!r} is not a valid file name for a checkpoint")
    return name


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a checkpoint.

    Raises:
        DamagedCheckpointError: The manifest is missing, or not in the form that cgkit writes.
        CheckpointError: The checkpoint was written by a newer version of cgkit.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise DamagedCheckpointError(f"{folder}: {MANIFEST} is missing")
    try:
        return _parse(strict_json.decode(read_bytes(path, _MAX_MANIFEST)), folder)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise DamagedCheckpointError(f"{folder}: {MANIFEST} is too large") from error
        raise
    except ValueError as error:
        raise DamagedCheckpointError(f"{folder}: {MANIFEST}: {str(error)[:200]}") from error


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Raise DamagedCheckpointError if a file is missing, is not in the manifest, or differs from its entry there.

    Names that begin with a dot are ignored: file managers and network file systems leave such files behind.
    """
    present = {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")} - {MANIFEST}
    if extra := sorted(present - manifest.files.keys()):
        raise DamagedCheckpointError(f"{folder}: {extra[0]} does not belong to the checkpoint")
    for name in manifest.files:
        verify_file(folder, manifest, name)


def verify_file(folder: Path, manifest: Manifest, name: str) -> None:
    """Raise DamagedCheckpointError if a file of a checkpoint is missing, or differs from its entry in the manifest."""
    if not (folder / name).is_file():
        raise DamagedCheckpointError(f"{folder}: {name} is missing")
    content, actual = manifest.files[name], read_content(folder / name)
    if actual.size != content.size:
        raise DamagedCheckpointError(f"{folder}: {name} has {actual.size} bytes, not the {content.size} in {MANIFEST}")
    if actual != content:
        raise DamagedCheckpointError(f"{folder}: {name} is not the file that was written (its SHA-256 differs)")


def _parse(value: Any, folder: Path) -> Manifest:
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    version = _require_count(value.get("format"), "format")
    if version > FORMAT:
        raise CheckpointError(
            f"{folder} was written by a newer version of cgkit (format {version}; this version reads {FORMAT})",
            hint="upgrade cgkit",
        )
    if version != FORMAT or value.keys() != {"format", "step", "files"} or not isinstance(value["files"], dict):
        raise ValueError("not in the form that cgkit writes")
    files = {name: _parse_content(name, entry) for name, entry in value["files"].items()}
    if STATE not in files:
        raise ValueError(f"{STATE} is not listed")
    return Manifest(_require_count(value["step"], "step"), files)


def _parse_content(name: str, entry: Any) -> Content:
    if not _FILE.fullmatch(name):
        raise ValueError(f"{name!r} is not a file of a checkpoint")
    if not isinstance(entry, dict) or entry.keys() != {"bytes", "sha256"}:
        raise ValueError(f"{name}: not in the form that cgkit writes")
    if not isinstance(entry["sha256"], str) or not _SHA256.fullmatch(entry["sha256"]):
        raise ValueError(f"{name}: not a SHA-256")
    return Content(_require_count(entry["bytes"], name), entry["sha256"])


def _require_count(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{what} is not a non-negative integer")
    return value
