"""How much memory a step takes; and running out of it, told so that a user knows what to change."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from cgkit.errors import ResourceError
from cgkit.registry import describe_exception

BALANCED_FROM = 256 * 256
"""Pixels of a batch from which a step on a CPU takes no longer if it does one cycle after the other."""

_STATUS = Path("/proc/self/status")
"""Where Linux tells what a process holds."""


def does_one_cycle_at_a_time(setting: str, images: Tensor) -> bool:
    """Return whether a step does one cycle after the other, and forgets the first one's activations before the second.

    Args:
        setting: `train.memory`; `auto` spares memory where that costs no time. Small images fill the cores only
            together; on a GPU it has not been measured which do not.
        images: a batch of one domain, `(N, C, H, W)`.
    """
    if setting != "auto":
        return setting != "fast"
    pixels = images.shape[0] * images.shape[-2] * images.shape[-1]
    return images.device.type == "cpu" and pixels >= BALANCED_FROM


@contextmanager
def memory_errors_explained() -> Iterator[None]:
    """Turn every kind of running out of memory into a `ResourceError`."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _out_of_memory(error) from error
    except RuntimeError as error:
        # The CPU's allocator has no exception type of its own.
        if "DefaultCPUAllocator" not in str(error):
            raise
        raise _out_of_memory(error) from error


def peak_memory(device: torch.device) -> int:
    """Return the most bytes in use so far: of the GPU's memory, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # What getrusage says of a new process is at least what its parent held when it was started.
    if _STATUS.exists() and (line := re.search(r"^VmHWM:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE)):
        return int(line[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, KiB elsewhere


def _out_of_memory(error: BaseException) -> ResourceError:
    return ResourceError(
        f"out of memory: {describe_exception(error)[:200]}",
        hint="a smaller data.size, train.batch or generator width needs less",
    )
