"""Save memory in a step, measure and limit it, and explain out-of-memory errors."""

from __future__ import annotations

import math
import os
import re
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from torch import Tensor, nn

from cgkit.engine.cyclegan import CyclePass
from cgkit.engine.objective.terms import Extras
from cgkit.engine.step import Step
from cgkit.engine.trying import try_network
from cgkit.errors import CgkitError, Problem, ResourceError, SpecError, is_out_of_memory
from cgkit.registry import describe_exception
from cgkit.spec import Spec

BALANCED_FROM = 256 * 256
"""The minimum number of pixels in a batch at which computing one cycle at a time is no slower on a CPU."""

MOST_ACTIVATIONS = 1000
"""A step of common networks keeps less than this many times the bytes of its images."""

_CONTAINER = Path("/sys/fs/cgroup/memory.max")
"""Where Linux states the memory limit of a container."""

_STATUS = Path("/proc/self/status")
"""Where Linux reports the memory of a process."""


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
    except (MemoryError, RuntimeError, OSError) as error:
        if isinstance(error, CgkitError) or not is_out_of_memory(error):
            raise
        raise ResourceError(
            f"out of memory: {describe_exception(error)[:200]}",
            hint='set train.memory = "low" or data.workers lower and run again; if it is not enough, start a run with '
            "a smaller data.size, train.batch or generator.width",
        ) from error


def peak_memory(device: torch.device) -> int:
    """Return the peak memory in bytes: torch's allocations on a GPU, or the resident memory of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # VmHWM is preferred, because getrusage also counts the memory that the parent process held when it forked.
    if _STATUS.exists() and (line := re.search(r"^VmHWM:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE)):
        return int(line[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, KiB elsewhere


def memory_of(device: torch.device) -> int | None:
    """Return the bytes of memory of a GPU, or of this machine or container; None if the system does not say."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, OSError, ValueError):
        return None
    with suppress(OSError, ValueError):  # no container, or none with a limit
        limits.append(int(_CONTAINER.read_text()))
    return min(limits)


def refuse_oversized_batch(spec: Spec, memory: int | None, processes: int) -> None:
    """Refuse a batch that certainly needs more memory than there is, before loading its images fills it.

    Args:
        spec: the spec.
        memory: the bytes of memory of the device that trains; None if unknown.
        processes: the number of processes that share the batch.

    Raises:
        SpecError: the images and their translations, of which a step holds at least these, take more memory.
    """
    images = spec.train.batch // processes
    needed = 2 * images * 4 * sum(spec.data.channels) * math.prod(spec.data.size)
    if memory is not None and needed > memory:
        raise _refuse_batch(spec, f"{images} images of each domain", "and their translations take", needed, memory)


def refuse_oversized_step(spec: Spec, generators: Sequence[nn.Module], memory: int | None, processes: int) -> None:
    """Refuse a batch if the inputs of the generators' layers, which a step keeps for its gradients, do not fit.

    Args:
        generators: the generators a2b and b2a.

    The other arguments are those of `refuse_oversized_batch`.

    Raises:
        SpecError: these inputs take more memory than there is.
    """
    images, channels, size = spec.train.batch // processes, spec.data.channels, spec.data.size
    pair = 4 * sum(channels) * math.prod(size)
    if memory is None or spec.train.memory == "low" or images * pair * MOST_ACTIVATIONS < memory:
        return
    kept = [_count_inputs(one, torch.zeros(1, count, *size)) for one, count in zip(generators, channels, strict=True)]
    # Half precision halves activations; without both cycles, one of the generators may not be trained in a step.
    cycle = spec.objective.cycle
    values = images * (sum(kept) if cycle.forward and cycle.backward else max(kept))
    needed = values * (4 if spec.train.precision == "fp32" else 2)
    if needed > memory:
        subject = f"a step with {images} images of each domain"
        raise _refuse_batch(spec, subject, "takes more than", needed, memory, ', or set train.memory = "low"')


def _refuse_batch(spec: Spec, subject: str, verb: str, needed: int, memory: int, advice: str = "") -> SpecError:
    height, width = spec.data.size
    problem = f"{subject} of {width} x {height} pixels {verb} {needed / 1e9:,.1f} GB"
    return SpecError(
        [
            Problem(
                "train.batch",
                f"{problem}, but there are {memory / 1e9:,.1f} GB of memory",
                f"lower train.batch (and raise train.accumulate), or data.size{advice}",
                exit_code=ResourceError.exit_code,
            )
        ]
    )


def _count_inputs(network: nn.Module, image: Tensor) -> int:
    """Return how many values the layers with weights take in for an image, counting a tensor only once."""
    inputs: dict[int, Tensor] = {}  # keeps the tensors, so that no two have the same place in memory

    def note(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        inputs[arguments[0].data_ptr()] = arguments[0]

    layers = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    hooks = [layer.register_forward_pre_hook(note) for layer in network.modules() if isinstance(layer, layers)]
    try:
        try_network(network, image)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(values.numel() for values in inputs.values())
