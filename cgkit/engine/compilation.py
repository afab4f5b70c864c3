"""Compile the networks with torch.compile, if the run is long enough to repay it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

import torch

from cgkit.data.loading import Batch
from cgkit.engine.trainer import Trainer

REPAID_AFTER = 5000
"""The number of steps from which `auto` compiles: compiling takes a minute or two, a step gains milliseconds."""


def repays(setting: bool | Literal["auto"], steps: int, device: torch.device) -> bool:
    """Return whether a run of `steps` steps compiles its networks.

    `auto` compiles long runs on a GPU. On a CPU a step is almost all convolutions, which compiling does not change. The
    length of the whole run decides, so that a resumed run computes as before.
    """
    if setting != "auto":
        return setting
    return device.type == "cuda" and steps >= REPAID_AFTER


def compile_networks(
    trainer: Trainer, batches: Sequence[Batch], *, report: Callable[[str], None], warn: Callable[[str], None]
) -> None:
    """Compile a trainer's networks for batches like these; if that fails, warn and leave them as they are.

    torch caches compiled code for the next run, in `TORCHINDUCTOR_CACHE_DIR` if that is set.
    """
    report("compiling the networks: a minute or two the first time, then seconds, from torch's cache")
    start = time.monotonic()
    try:
        trainer.compile(batches)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever fails, the networks work uncompiled
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        warn(f"the networks could not be compiled, so training is slower: {reason}")
    else:
        report(f"compiled in {time.monotonic() - start:.0f} s")
