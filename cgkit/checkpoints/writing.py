"""Write checkpoints so that, whenever the writer is interrupted, the new checkpoint or the previous one can be read."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cgkit.checkpoints import strict_json, tensor_files
from cgkit.checkpoints.durable import make_folder, remove, sync_file, write_file
from cgkit.checkpoints.layout import (
    Checkpoint,
    aside_step,
    finished_name,
    finished_step,
    is_litter,
    list_checkpoints,
    temporary_name,
)
from cgkit.checkpoints.manifest import (
    MANIFEST,
    MAX_STATE,
    STATE,
    Manifest,
    read_manifest,
    tensor_file,
    verify_files,
)
from cgkit.errors import CheckpointError, DivergedError, ResourceError
from cgkit.files.atomic import sync_folder

_MARGIN = 1.1  # disk space needed per byte of content; the extra is for headers, partly filled blocks and folders
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_checkpoint(folder: Path, checkpoint: Checkpoint, *, keep: int) -> Path:
    """Write a checkpoint, durably and all or nothing, then remove the oldest ones.

    After a kill, a full disk or a power failure at any moment, `read_latest` finds this checkpoint or the previous one.
    A checkpoint of the same step is replaced. Only one process at a time may write to a folder; the leftovers of a
    killed process are removed.

    Args:
        folder: The run's `checkpoints` folder; created if it is missing.
        checkpoint: The checkpoint to write; its tensors may have any strides, be on any device, and share memory.
        keep: Number of newest checkpoints to keep, at least 1. The new checkpoint is always kept, and so are
            files and folders that are not checkpoints.

    Returns:
        The folder of the new checkpoint.

    Raises:
        DivergedError: A tensor contains NaN or infinity. Such a checkpoint could not be read again, yet good
            checkpoints would be pruned to make room for it.
        ResourceError: The disk is too full, or an operation on it failed; the earlier checkpoints are intact. Or the
            checkpoint was written, but an earlier one cannot be removed.
        CheckpointError: A tensor or a value of the state cannot be saved.
        ValueError: `keep` is less than 1, the step is negative, or `checkpoint.tensors` has an invalid file name.
    """
    if keep < 1 or checkpoint.step < 0:
        raise ValueError(f"keep {keep} must be 1 or more, and step {checkpoint.step} must be 0 or more")
    state = _encode_state(checkpoint)
    needed = len(state) + sum(tensor.nbytes for tensors in checkpoint.tensors.values() for tensor in tensors.values())
    with _disk_errors_explained(folder, needed):
        make_folder(folder)
        _clean_up(folder)
        if not _has_space(folder, needed):
            _prune_before(folder, keep=keep)  # perhaps fewer checkpoints are kept now
        _check_space(folder, needed)
        temporary = folder / temporary_name(checkpoint.step)
        try:
            _write_files(temporary, checkpoint, state)
            final = _put_in_place(temporary, checkpoint.step)
        except BaseException:
            remove(temporary)
            raise
    with _failed_prune_explained(checkpoint.step):
        _prune(folder, keep=keep, spare=final)
    return final


def _encode_state(checkpoint: Checkpoint) -> bytes:
    """Return the JSON of a checkpoint's state, after checking that everything in the checkpoint can be read again."""
    for stem, tensors in checkpoint.tensors.items():
        tensor_file(stem)
        tensor_files.check_savable(tensors, what=stem)
        if name := tensor_files.first_non_finite(tensors):
            raise DivergedError(
                f"{stem}: {name} contains NaN or infinity; no checkpoint was written, which keeps the earlier ones",
                hint="if a buffer may be infinite, register it with persistent=False",
            )
    state = strict_json.encode(checkpoint.state, what="state")
    if len(state) > MAX_STATE:
        raise CheckpointError(f"the state takes {len(state)} bytes of JSON; the limit is {MAX_STATE}")
    return state


def _write_files(temporary: Path, checkpoint: Checkpoint, state: bytes) -> None:
    temporary.mkdir()
    files = {}
    for stem, tensors in checkpoint.tensors.items():
        file = temporary / tensor_file(stem)
        tensor_files.write(file, tensors)
        files[file.name] = sync_file(file)
    files[STATE] = write_file(temporary / STATE, state)
    write_file(temporary / MANIFEST, Manifest(checkpoint.step, files).encode())
    sync_folder(temporary)


def _put_in_place(temporary: Path, step: int) -> Path:
    """Rename a finished checkpoint to its final name; an earlier checkpoint of that name stays readable until then."""
    final, aside = temporary.parent / finished_name(step), temporary.parent / temporary_name(step, "old-")
    replaces = os.path.lexists(final)
    if replaces:
        final.rename(aside)  # move it aside, since a rename cannot replace a folder that is not empty
    try:
        temporary.rename(final)
    except BaseException:
        if replaces:
            aside.rename(final)
        raise
    sync_folder(final.parent)
    if replaces:
        remove(aside)
    return final


def _clean_up(folder: Path) -> None:
    """Remove the leftovers of a killed writer, but restore a checkpoint it was replacing if the new one is missing."""
    for entry in sorted(folder.iterdir()):
        step = aside_step(entry.name)
        if step is not None and not os.path.lexists(folder / finished_name(step)):
            entry.rename(folder / finished_name(step))
        elif step is not None or is_litter(entry.name):
            remove(entry)


def _prune_before(folder: Path, *, keep: int) -> None:
    """Remove the oldest checkpoints before the next one is written, unless one that would remain is damaged."""
    remaining = list_checkpoints(folder)[-keep:]
    try:
        for path in remaining:
            verify_files(path, read_manifest(path))
    except CheckpointError:
        return
    if remaining:
        _prune(folder, keep=keep, spare=remaining[-1])


def _prune(folder: Path, *, keep: int, spare: Path) -> None:
    steps = sorted(step for entry in folder.iterdir() if (step := finished_step(entry.name)) is not None)
    for step in steps[:-keep]:
        path = folder / finished_name(step)
        if path != spare:
            # Rename first, since a kill during the removal must not leave an incomplete checkpoint under a final name.
            remove(path.rename(folder / temporary_name(step, "pruned-")))


def _has_space(folder: Path, needed: int) -> bool:
    return needed * _MARGIN < shutil.disk_usage(folder).free


def _check_space(folder: Path, needed: int) -> None:
    if not _has_space(folder, needed):
        free = shutil.disk_usage(folder).free
        raise ResourceError(
            f"{folder}: a checkpoint needs {_megabytes(needed * _MARGIN)} but only {_megabytes(free)} are free",
            hint="free some space, or lower checkpoint.keep, and run the same command again",
        )


@contextmanager
def _disk_errors_explained(folder: Path, needed: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _NO_SPACE:
            with suppress(OSError):
                reason += f" ({_describe_space(folder, needed)})"
        path = error.filename or folder
        raise ResourceError(
            f"the checkpoint was not written: {path}: {reason}", hint="the earlier checkpoints are intact"
        ) from error


@contextmanager
def _failed_prune_explained(step: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResourceError(
            f"step {step} is saved, but an earlier checkpoint cannot be removed: {error.filename}: "
            f"{error.strerror or error}",
            hint="remove it, or raise checkpoint.keep, and run the same command again",
        ) from error


def _describe_space(folder: Path, needed: int) -> str:
    sizes = f"needed {_megabytes(needed)}, free {_megabytes(shutil.disk_usage(folder).free)}"
    if _has_space(folder, needed):
        return f"{sizes}, so the file system can hold no more files, or a quota is used up"
    return sizes


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"
