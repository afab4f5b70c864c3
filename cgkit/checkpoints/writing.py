"""Writing checkpoints: whatever happens at whatever moment, the new one or the one before it can be read."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cgkit.checkpoints import strict_json, tensor_files
from cgkit.checkpoints.durable import make_folder, remove, sync_folder, write_file
from cgkit.checkpoints.layout import (
    Checkpoint,
    aside_name,
    aside_step,
    finished_name,
    finished_step,
    is_litter,
    pruned_name,
    temporary_name,
)
from cgkit.checkpoints.manifest import LARGEST_STATE, MANIFEST, STATE, Manifest, tensor_file
from cgkit.errors import CheckpointError, DivergedError, ResourceError

_MARGIN = 1.1  # of the space needed: blocks are not filled to the last byte, and the folders need some too
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_checkpoint(folder: Path, checkpoint: Checkpoint, *, keep: int) -> Path:
    """Write a checkpoint, durably and all or nothing, then remove the oldest ones.

    A kill, a full disk or a loss of power at any moment leaves a folder in which `read_latest` finds this checkpoint or
    the one before it. A checkpoint of the same step is replaced. One process at a time may write in a folder: what a
    killed one left behind is tidied up here.

    Args:
        folder: The run's `checkpoints` folder; made where it is missing.
        checkpoint: What to write; tensors of any strides, on any device, sharing memory or not.
        keep: How many of the newest checkpoints stay, at least 1. The one just written always does, and so does
            everything whose name is not one of ours.

    Returns:
        The folder of the new checkpoint.

    Raises:
        DivergedError: A tensor is not finite: it would push out the good checkpoints and be refused when read.
        ResourceError: Too little space, or the disk refuses; nothing has changed.
        CheckpointError: A tensor or a value of the state cannot be saved.
    """
    if keep < 1 or checkpoint.step < 0:
        raise ValueError(f"keep {keep} must be 1 or more, and step {checkpoint.step} must be 0 or more")
    contents = _contents(checkpoint)
    needed = sum(size for size, _ in contents.values())
    with _refused_by_the_disk(folder, needed):
        make_folder(folder)
        _tidy(folder)
        _check_space(folder, needed)
        temporary = folder / temporary_name(checkpoint.step)
        try:
            _write_files(temporary, checkpoint.step, contents)
            final = _put_in_place(temporary, checkpoint.step)
        except BaseException:
            remove(temporary)
            raise
        _prune(folder, keep=keep, spare=final)
    return final


def _contents(checkpoint: Checkpoint) -> dict[str, tuple[int, Iterable[memoryview | bytes]]]:
    """Return what goes into each file, its size first; refuse what could not be read again."""
    contents: dict[str, tuple[int, Iterable[memoryview | bytes]]] = {}
    for stem, tensors in checkpoint.tensors.items():
        tensor_files.check_savable(tensors, what=stem)
        if name := tensor_files.first_non_finite(tensors):
            raise DivergedError(
                f"{stem}: {name} is no longer finite: not saved, so that the checkpoints before it stay",
                hint="a buffer that is meant to be infinite is registered with persistent=False",
            )
        contents[tensor_file(stem)] = (tensor_files.encoded_size(tensors), tensor_files.encode(tensors))
    state = strict_json.encode(checkpoint.state, what="state")
    if len(state) > LARGEST_STATE:
        raise CheckpointError(f"the state has {len(state)} bytes of JSON; {LARGEST_STATE} is the limit")
    contents[STATE] = (len(state), [state])
    return contents


def _write_files(temporary: Path, step: int, contents: dict[str, tuple[int, Iterable[memoryview | bytes]]]) -> None:
    temporary.mkdir()
    files = {name: write_file(temporary / name, chunks) for name, (_, chunks) in contents.items()}
    write_file(temporary / MANIFEST, [Manifest(step, files).encode()])
    sync_folder(temporary)


def _put_in_place(temporary: Path, step: int) -> Path:
    """Give a finished checkpoint its name. Its predecessor of that name, if any, can be read until then."""
    final, aside = temporary.parent / finished_name(step), temporary.parent / aside_name(step)
    replaces = os.path.lexists(final)
    if replaces:
        final.rename(aside)  # a folder with files in it cannot be renamed over
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


def _tidy(folder: Path) -> None:
    """Undo what a killed writer began: a checkpoint set aside gets its name back, unless its successor has it."""
    for entry in sorted(folder.iterdir()):
        step = aside_step(entry.name)
        if step is not None and not os.path.lexists(folder / finished_name(step)):
            entry.rename(folder / finished_name(step))
        elif step is not None or is_litter(entry.name):
            remove(entry)


def _prune(folder: Path, *, keep: int, spare: Path) -> None:
    steps = sorted(step for entry in folder.iterdir() if (step := finished_step(entry.name)) is not None)
    for step in steps[:-keep]:
        path = folder / finished_name(step)
        if path != spare:
            # Renamed first: a kill in the midst of the removal must not leave half a checkpoint.
            remove(path.rename(folder / pruned_name(step)))


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed * _MARGIN >= free:
        raise ResourceError(
            f"{folder}: a checkpoint needs {_megabytes(needed * _MARGIN)} and {_megabytes(free)} are free",
            hint="free some space, or keep fewer checkpoints",
        )


@contextmanager
def _refused_by_the_disk(folder: Path, needed: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _NO_SPACE:
            with suppress(OSError):
                reason += f" (needed {_megabytes(needed)}, free {_megabytes(shutil.disk_usage(folder).free)})"
        where = error.filename or folder
        raise ResourceError(
            f"the checkpoint was not written: {where}: {reason}", hint="the checkpoints before it are intact"
        ) from error


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"
