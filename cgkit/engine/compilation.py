"""Prepare the step: compile the networks if the run is long enough to repay it, and record a CUDA graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

import torch

from cgkit.abilities import works_in_channels_last
from cgkit.data.loading import Batch
from cgkit.engine.trainer import Trainer
from cgkit.spec.model import Train

REPAID_AFTER = 5000
"""The minimum number of steps for `auto` to compile: compiling takes a minute or two and saves milliseconds a step."""


def repays(setting: bool | Literal["auto"], steps: int, device: torch.device) -> bool:
    """Return whether a run of `steps` steps should compile its networks.

    `auto` compiles long runs on a GPU. On a CPU, convolutions take almost all of a step, and compiling does not speed
    them up. `steps` is the length of the whole run, so that a resumed run makes the same choice.
    """
    if setting != "auto":
        return setting
    return device.type == "cuda" and steps >= REPAID_AFTER


def prepare_step(
    trainer: Trainer,
    settings: Train,
    noise: Callable[[], Sequence[Batch]],
    *,
    report: Callable[[str], None],
    warn: Callable[[str], None],
) -> None:
    """Compile a trainer's networks and record its step as a CUDA graph, if the settings ask for it and it pays.

    Args:
        trainer: the trainer.
        settings: the settings of training.
        noise: returns the batches of a step to try the step with.
        report: called with messages.
        warn: called with warnings.
    """
    device = trainer.precision.device
    compiles = repays(settings.compile, trainer.steps, device)
    records = settings.cuda_graph and device.type == "cuda"
    if not (compiles or records):
        return
    batches = noise()
    if compiles:
        only_slow = settings.compile == "auto"
        compile_networks(trainer, batches[:1], only_slow=only_slow, report=report, warn=warn)
    if records:
        record_step(trainer, batches, warn=warn)


def compile_networks(
    trainer: Trainer,
    batches: Sequence[Batch],
    *,
    only_slow: bool = False,
    report: Callable[[str], None],
    warn: Callable[[str], None],
) -> None:
    """Compile a trainer's networks for batches of these shapes; if that fails, warn and leave them uncompiled.

    With `only_slow`, networks that have fast layers of their own on a GPU are left alone (`channels_last`).
    Out-of-memory errors are raised. torch caches the compiled code for later runs, in `TORCHINDUCTOR_CACHE_DIR` if set.
    """
    networks = [network for network in trainer.model.networks() if not (only_slow and works_in_channels_last(network))]
    if not networks:
        return
    report("compiling the networks; this takes a minute or two, or seconds if torch has them in its cache")
    start = time.monotonic()
    try:
        trainer.compile(networks, batches)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever the compiler raises, the networks still run uncompiled
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        warn(f"the networks could not be compiled, so training is slower: {reason}")
    else:
        report(f"compiled in {time.monotonic() - start:.0f} s")


def record_step(trainer: Trainer, batches: Sequence[Batch], *, warn: Callable[[str], None]) -> None:
    """Record a trainer's step as a CUDA graph for batches of these shapes; if that is not possible, warn and say why.

    Out-of-memory errors are raised.
    """
    try:
        reason = trainer.record(batches)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a component does that cannot be recorded, it still trains
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    if reason is not None:
        warn(f"steps do not run as a CUDA graph, so training is slower: {reason}")
