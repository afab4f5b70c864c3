"""How many processes load images, and whether the shared memory holds the batches that they load ahead."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal

from cgkit.errors import ResourceError

AHEAD = 4
"""Batches that each worker loads ahead."""

MOST = 12
"""The most workers that `auto` starts for one GPU."""

MEMORY = 1 << 30
"""Bytes of free memory for each worker that `auto` starts; a worker needs about half."""

SHARED_MEMORY = Path("/dev/shm")
"""Where Linux keeps the memory through which workers send batches."""

SHARED_MEMORY_HINT = (
    "start the container with more shared memory (docker run --shm-size=8g), or set data.workers = 0 and run again"
)


def count_workers(setting: int | Literal["auto"], *, on_gpu: bool, rendered: bool) -> int:
    """Return the number of worker processes for a rank.

    On a CPU, where the training step needs the cores, `auto` uses at most two, and none for images that are rendered,
    which takes as long there as it saves. With a GPU, it uses all cores but one for each rank, if there is enough
    memory.

    Args:
        setting: `data.workers` of the spec.
        on_gpu: whether the run trains on a GPU.
        rendered: whether the source renders its images instead of reading files.
    """
    if setting != "auto":
        return setting
    if not on_gpu:
        return 0 if rendered else min(2, _usable_cores())
    ranks = local_ranks()
    of_memory = _free_memory() // MEMORY // ranks
    return max(1, min(MOST, _usable_cores() // ranks - 1, of_memory))


def check_shared_memory(workers: int, batch_bytes: int, *, held: int = 0) -> None:
    """Check that the batches of all workers fit the shared memory, in which a run would otherwise fail later.

    Args:
        workers: the number of workers of each rank.
        batch_bytes: the bytes of a batch of one rank, extras included.
        held: the number of batches that a step of one rank holds, besides those that the workers load ahead.

    Raises:
        ResourceError: they do not fit.
    """
    if not workers or not SHARED_MEMORY.is_dir():
        return
    ranks = local_ranks()
    needed, free = ranks * (workers * AHEAD + held) * batch_bytes, shutil.disk_usage(SHARED_MEMORY).free
    if needed > free:
        of_ranks = f" for each of {ranks} processes" if ranks > 1 else ""
        raise ResourceError(
            f"{workers} workers{of_ranks} load {needed / 1e6:.0f} MB of images ahead, but {SHARED_MEMORY} holds only "
            f"{free / 1e6:.0f} MB more",
            hint=SHARED_MEMORY_HINT,
        )


def local_ranks() -> int:
    """Return the number of ranks on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: the cores that this process may use
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _free_memory() -> int:
    """Return the free memory of the machine in bytes, or enough for any number of workers if it is unknown."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return MOST * MEMORY * 64
