"""The verdict of a check: whether this machine can do a run, what to change if not, and what to do next."""

from __future__ import annotations

import math
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import torch

from cgkit.engine.memory import memory_of
from cgkit.runs.cost.forecast import Forecast
from cgkit.spec import Spec

NIGHT = 8 * 3600
"""Seconds of a night. A longer run gets advice on how to fit it into one."""

ENOUGH_IMAGES = 20_000
"""The number of training images of each domain, repetitions included, from which results are worth looking at: a
quarter of the smallest published run (400 images for 200 epochs)."""

SMALLEST = 64
"""Smaller training images are not advised, in pixels."""

MEMORY_TO_USE = 0.9
"""The fraction of the memory that a run may need."""


@dataclass(frozen=True)
class Verdict:
    """What a run needs, what the machine has, and what to do.

    Attributes:
        seconds: the forecast of the time in all.
        parts: the same by `training`, `samples`, `scores` and `checkpoints`.
        ends: when the run would end if it were started now, in ISO 8601.
        memory: the peak memory in bytes.
        memory_available: the memory of the machine or the GPU in bytes; 0 if unknown.
        disk: bytes that the run will need on disk by `checkpoints`, `samples` and `model`.
        disk_free: free bytes where the run folder would be.
        changes: what to change, each with its reason; empty if the run fits.
        next: the command to type next.
    """

    seconds: float
    parts: dict[str, float]
    ends: str
    memory: int
    memory_available: int
    disk: dict[str, int]
    disk_free: int
    changes: tuple[str, ...]
    next: str


def judge(spec: Spec, needed: Forecast, steps: int, peak: int, device: torch.device, command: Sequence[str]) -> Verdict:
    """Return the verdict on a run.

    Args:
        spec: the resolved spec.
        needed: the forecast of its time and disk space.
        steps: its number of steps.
        peak: its peak memory in bytes.
        device: the device that it computes on.
        command: the arguments that follow `cgkit run`.
    """
    available, free = memory_of(device) or 0, shutil.disk_usage(Path.cwd()).free
    parts = ("training", "samples", "scores", "checkpoints")
    changes = [*_save_memory(spec, peak, available), *_save_disk(needed, free), *_save_time(spec, needed, steps)]
    return Verdict(
        seconds=needed.seconds,
        parts={part: getattr(needed, part) for part in parts},
        ends=(datetime.now().astimezone() + timedelta(seconds=needed.seconds)).isoformat(timespec="minutes"),
        memory=peak,
        memory_available=available,
        disk=needed.disk,
        disk_free=free,
        changes=tuple(changes),
        next=shlex.join(["cgkit", "run", *command]),
    )


def _save_time(spec: Spec, needed: Forecast, steps: int) -> Iterator[str]:
    """Advise fewer steps or, if these would be too few, smaller images; more steps for a short run with few of them."""
    batch = spec.train.batch * spec.train.accumulate
    if needed.seconds <= NIGHT:
        if steps * batch < ENOUGH_IMAGES:
            longer = f"--set train.steps={math.ceil(ENOUGH_IMAGES / batch)}"
            yield f"images shown of each domain: {steps * batch:,}, but results need about {ENOUGH_IMAGES:,}: {longer}"
        return
    share = NIGHT / needed.seconds
    fewer = max(1, math.floor(steps * share))
    night = "to finish in a night (8 hours)"
    if fewer * batch >= ENOUGH_IMAGES:
        yield f"{night}: --set train.steps={fewer}"
        return
    yield f"{night}: --set train.steps={fewer}, but these show only {fewer * batch:,} images, which is few"
    height, width = spec.data.size
    smaller = [side // 2 // 4 * 4 for side in (height, width)]
    if min(smaller) >= SMALLEST:
        size = smaller[0] if height == width else f"[{smaller[0]},{smaller[1]}]"
        more = math.floor(steps * min(1.0, share * height * width / (smaller[0] * smaller[1])))
        yield f"or smaller images for more steps: --set data.size={size} --set train.steps={more}"


def _save_memory(spec: Spec, peak: int, available: int) -> Iterator[str]:
    if not available or peak <= MEMORY_TO_USE * available:
        return
    if spec.train.memory != "low":
        yield "to need less memory, for more time: --set train.memory=low"
    elif spec.train.batch > 1:
        yield f"to need less memory: --set train.batch={spec.train.batch // 2}"
    else:
        yield f"to need less memory: --set data.size={min(spec.data.size) // 2 // 4 * 4}"


def _save_disk(needed: Forecast, free: int) -> Iterator[str]:
    if sum(needed.disk.values()) > free:
        part = max(needed.disk, key=lambda name: needed.disk[name])
        remedy = {"samples": "draw fewer sheets, with a larger samples.every", "checkpoints": "--set checkpoint.keep=1"}
        yield f"the disk is too small: free some space, or {remedy.get(part, 'use another disk')}"
