"""Read checkpoints, and refuse those that are not bit for bit as they were written."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from cgkit.checkpoints import strict_json, tensor_files
from cgkit.checkpoints.layout import Checkpoint, aside_step, finished_step, list_checkpoints
from cgkit.checkpoints.manifest import (
    MAX_STATE,
    STATE,
    DamagedCheckpointError,
    read_manifest,
    verify_file,
    verify_files,
)
from cgkit.errors import CheckpointError
from cgkit.files.reading import read_bytes

_MAX_REASON = 200  # characters of an error's reason that a message quotes
_ATTEMPTS = 5  # how often to look for the newest checkpoint while a writer keeps changing the folder
_DAMAGE = (errno.ENOENT, errno.ENOTDIR, errno.EIO, errno.EISDIR, errno.ESTALE)
T = TypeVar("T")


def read_latest(folder: Path, *, report: Callable[[str], None]) -> Checkpoint | None:
    """Return a run's intact checkpoint with the highest step, or None if the run has no checkpoint at all.

    Args:
        folder: The run's `checkpoints` folder, which may be missing.
        report: Called with one line about each damaged checkpoint that was skipped.

    Raises:
        CheckpointError: All checkpoints are damaged; or a newer version of cgkit wrote the newest undamaged one, or
            this user may not read it. In the last two cases, older checkpoints are not tried.
    """
    for _ in range(_ATTEMPTS):
        candidates = _list(folder)
        damages: list[DamagedCheckpointError] = []
        for path in reversed(candidates):
            try:
                checkpoint = read_checkpoint(path)
            except DamagedCheckpointError as damage:
                damages.append(damage)
                continue
            for skipped in damages:
                report(f"skipped a damaged checkpoint: {skipped}")
            return checkpoint
        if _list(folder) == candidates:  # otherwise, a writer pruned a checkpoint during reading: try again
            break
    if not damages:
        return None
    raise CheckpointError(
        "every checkpoint is damaged: " + "; ".join(map(str, damages)), hint=f"remove {folder} to start again"
    )


def read_latest_state(folder: Path) -> dict[str, Any] | None:
    """Return the state of the newest checkpoint in which that is intact, without its tensors; None if there is none.

    Raises:
        CheckpointError: A newer version of cgkit wrote the checkpoint, or this user may not read it.
    """
    for path in reversed(_list(folder)):
        with suppress(DamagedCheckpointError), _os_errors_explained(path):
            verify_file(path, read_manifest(path), STATE)
            return _parse(path / STATE, _read_state)
    return None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read and verify one checkpoint.

    Raises:
        DamagedCheckpointError: The checkpoint is damaged; the message says which file, or what is wrong.
        CheckpointError: The checkpoint was written by a newer version of cgkit, or this user may not read it.
    """
    with _os_errors_explained(path):
        manifest = read_manifest(path)
        step = finished_step(path.name) if aside_step(path.name) is None else aside_step(path.name)
        if step not in (None, manifest.step):
            raise DamagedCheckpointError(f"{path}: contains the checkpoint of step {manifest.step}")
        verify_files(path, manifest)
        files = [path / name for name in manifest.files if name != STATE]
        tensors = {file.stem: _parse(file, tensor_files.read) for file in files}
        return Checkpoint(manifest.step, tensors, _parse(path / STATE, _read_state))


def _read_state(path: Path) -> dict[str, Any]:
    state = strict_json.decode(read_bytes(path, MAX_STATE))
    if not isinstance(state, dict):
        raise ValueError("not a JSON object")
    return state


def _parse(path: Path, parse: Callable[[Path], T]) -> T:
    try:
        return parse(path)
    except ValueError as error:
        # Quote only the start: a hostile file can influence the message, and torch appends a stack trace.
        reason = (str(error).splitlines() or ["unreadable"])[0][:_MAX_REASON]
        raise DamagedCheckpointError(f"{path.parent}: {path.name}: {reason}") from error


def _list(folder: Path) -> list[Path]:
    with _os_errors_explained(folder):
        return list_checkpoints(folder)


@contextmanager
def _os_errors_explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = DamagedCheckpointError if error.errno in _DAMAGE else CheckpointError
        raise kind(f"{path} cannot be read: {error.strerror or error}") from error
