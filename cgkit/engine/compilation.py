"""Compiling the networks of a run with torch.compile, where it repays the wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

import torch

from cgkit.data.loading import Batch
from cgkit.engine.trainer import Trainer

REPAID_AFTER = 5000
"""Steps from which on `auto` compiles: compiling takes a minute or two, and a step gains some milliseconds."""


def repays(setting: bool | Literal["auto"], steps: int, device: torch.device) -> bool:
    """Return whether a run of so many steps compiles its networks.

    `auto` compiles long runs on a GPU. On a CPU, a step is almost all convolutions, which compiling leaves as they
    are. The whole length of a run decides, not what is left of it: a run that is continued computes as before.
    """
    if setting != "auto":
        return setting
    return device.type == "cuda" and steps >= REPAID_AFTER


def compile_networks(
    trainer: Trainer, batches: Sequence[Batch], *, report: Callable[[str], None], warn: Callable[[str], None]
) -> None:
    """Compile a trainer's networks for batches like these; if that fails, warn and leave them as they are.

    torch keeps what its compiler makes for the next run, in `TORCHINDUCTOR_CACHE_DIR` where that is set.
    """
    report("compiling the networks: a minute or two the first time, seconds once torch remembers them")
    start = time.monotonic()
    try:
        trainer.compile(batches)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever the compiler stumbles over, the networks work without it
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        warn(f"the networks could not be compiled and are trained as they are, only slower: {reason}")
    else:
        report(f"compiled in {time.monotonic() - start:.0f} s")
