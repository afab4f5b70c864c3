"""One real step without consequences: what `cgkit check` measures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from cgkit.contracts import Domain
from cgkit.data.inspection import Inspection
from cgkit.data.loading import Batch
from cgkit.images.pixels import PixelFormat
from cgkit.runs.health_monitor import circumstances
from cgkit.runs.start import Prepared, prepare
from cgkit.engine.memory import memory_errors_explained, peak_memory
from cgkit.data.pixel_formats import pixel_formats
from cgkit.runs.reporter import Silence
from cgkit.runs.run import Run
from cgkit.runs.folder import RunFolder
from cgkit.health.data import duplicates, starved
from cgkit.health.flatness import flat_images
from cgkit.health.notes import Note
from cgkit.plugins import Plugins


@dataclass(frozen=True)
class DomainImages:
    """How many images a domain has, of which sizes, what is in their files, and what that ranges over."""

    train: int
    test: int
    sizes: str
    values: str
    range: tuple[float, float]


@dataclass(frozen=True)
class Rehearsal:
    """What one step showed.

    Attributes:
        images: the images of domain a and b.
        parameters: how many parameters each network has.
        steps: how many steps the spec asks for.
        precision: the number format, after `auto` was decided.
        device: where it ran.
        seconds_a_step: the time of a step once warmed up.
        seconds_in_all: that time for all steps.
        peak_memory: bytes of the GPU, or of this process on a CPU, after the step.
        losses: the loss terms of the first step.
        notes: what is wrong with the images, as far as that shows before training.
    """

    images: dict[str, DomainImages]
    parameters: dict[str, int]
    steps: int
    precision: str
    device: str
    seconds_a_step: float
    seconds_in_all: float
    peak_memory: int
    losses: dict[str, float]
    notes: tuple[Note, ...]


def rehearse(file: Path, plugins: Plugins, *, overrides: Sequence[str] = (), device: str | None = None) -> Rehearsal:
    """Validate a spec and everything that it names, do a step on its first images, and write nothing.

    Raises:
        CgkitError: as a run would.
    """
    prepared = prepare(file, plugins, overrides, device)
    spec, assembly = prepared.spec, prepared.assembly
    run = Run(spec, assembly, RunFolder(Path()), plugins, prepared.device, Silence())
    with memory_errors_explained():
        batches = next(run.batches())
        losses = {name: float(loss) for name, loss in run.trainer.step(batches).items()}
        run.trainer.settle()
        seconds = _timed_step(run, batches)
    model = run.trainer.model
    networks = {f"generator {n}": m for n, m in model.generators.items()}
    networks |= {f"discriminator {n}": m for n, m in model.discriminators.items()}
    return Rehearsal(
        images={
            side: _images(prepared.images[side], train, test, pixels)
            for side, train, test, pixels in zip(
                "ab", assembly.source.train(), assembly.source.test(), pixel_formats(spec.data), strict=True
            )
        },
        parameters={name: _count(network) for name, network in networks.items()},
        steps=run.steps,
        precision=run.trainer.precision.name,
        device=str(prepared.device),
        seconds_a_step=seconds,
        seconds_in_all=seconds * run.steps,
        peak_memory=peak_memory(prepared.device),
        losses=losses,
        notes=_notes(prepared, run.steps),
    )


def _notes(prepared: Prepared, steps: int) -> tuple[Note, ...]:
    spec, assembly = prepared.spec, prepared.assembly
    train, test = assembly.source.train(), assembly.source.test()
    sides = zip("ab", train, pixel_formats(spec.data), strict=True)
    flat = [flat_images(side, domain, pixels, assembly.preparation) for side, domain, pixels in sides]
    found = starved(circumstances(spec, assembly, steps)) + duplicates(train, test)
    return (*found, *(note for note in flat if note is not None))


def _images(found: Inspection, train: Domain, test: Domain, pixels: PixelFormat) -> DomainImages:
    return DomainImages(len(train), len(test), found.describe(), found.describe_values(), pixels.written_range)


def _timed_step(run: Run, batches: list[Batch]) -> float:
    start = time.perf_counter()
    run.trainer.step(batches)
    run.trainer.settle()
    return time.perf_counter() - start


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
