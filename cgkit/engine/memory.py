"""Save memory in a step, measure peak memory, and explain out-of-memory errors."""

from __future__ import annotations

import os
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from cgkit.engine.cyclegan import CyclePass
from cgkit.engine.objective.terms import Extras
from cgkit.engine.step import Step
from cgkit.errors import ResourceError
from cgkit.registry import describe_exception

BALANCED_FROM = 256 * 256
"""The minimum number of pixels in a batch at which computing one cycle at a time is no slower on a CPU."""

_STATUS = Path("/proc/self/status")
"""Where Linux reports the memory of a process."""

_GROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Where a container reports how much memory its processes may use together."""


def spares_memory(setting: str, images: Tensor) -> bool:
    """Return whether a step should compute one cycle at a time, freeing its activations before the next.

    Args:
        setting: the value of `train.memory`. `auto` computes one cycle at a time if that is no slower: on a CPU, unless
            the images are so small that only both cycles together keep all cores busy.
        images: a batch of one domain, `(N, C, H, W)`.
    """
    if setting != "auto":
        return setting != "fast"
    pixels = images.shape[0] * images.shape[-2] * images.shape[-1]
    return images.device.type == "cpu" and pixels >= BALANCED_FROM


def train_one_cycle_at_a_time(step: Step, real_a: Tensor, real_b: Tensor, extras: Extras) -> None:
    """Accumulate the gradients of a step, keeping the activations of only one cycle or identity pass at a time."""
    cycle = CyclePass(real_a, real_b)
    for passes in step.objective.parts_of_passes:
        cycle = cycle.merge(step.train_generators(real_a, real_b, extras, passes))
    step.train_discriminators(cycle)


@contextmanager
def memory_errors_explained() -> Iterator[None]:
    """Turn every kind of out-of-memory error into a `ResourceError`."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _out_of_memory(error) from error
    except RuntimeError as error:
        # torch's CPU allocator raises a plain RuntimeError, recognisable only by its message.
        if "DefaultCPUAllocator" not in str(error):
            raise
        raise _out_of_memory(error) from error


def peak_memory(device: torch.device) -> int:
    """Return the peak memory in bytes: torch's allocations on a GPU, or the resident memory of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # VmHWM is preferred, because getrusage also counts the memory that the parent process held when it forked.
    if _STATUS.exists() and (line := re.search(r"^VmHWM:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE)):
        return int(line[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, KiB elsewhere


def memory_of(device: torch.device) -> int:
    """Return the memory of a GPU, or the memory that this process may use, in bytes; 0 if the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0
    limit = _GROUP_LIMIT.read_text().strip() if _GROUP_LIMIT.exists() else "max"
    return min(memory, int(limit)) if limit.isdigit() else memory


def _out_of_memory(error: BaseException) -> ResourceError:
    return ResourceError(
        f"out of memory: {describe_exception(error)[:200]}",
        hint="reduce data.size, train.batch or the width of the generators",
    )
