"""Running out of memory, told so that a user knows what to change; and how much memory was used."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from cgkit.errors import ResourceError
from cgkit.registry import describe_exception

_STATUS = Path("/proc/self/status")
"""Where Linux tells what a process holds."""


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
