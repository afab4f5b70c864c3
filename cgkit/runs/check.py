"""Check a spec by training for two steps; the implementation of `cgkit check`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from cgkit.abilities import ignored_by
from cgkit.contracts import Domain
from cgkit.data.damage import find_undecodable
from cgkit.data.inspection import Inspection
from cgkit.data.pixel_formats import pixel_formats
from cgkit.display.reporter import Silence
from cgkit.engine.assembly import assemble_for_evaluation
from cgkit.engine.memory import memory_errors_explained, peak_memory
from cgkit.errors import DataError, Problems
from cgkit.health.data import damaged, duplicates, starved
from cgkit.health.flatness import flat_images
from cgkit.health.notes import Note
from cgkit.images.pixels import PixelFormat
from cgkit.plugins import Plugins
from cgkit.runs.context import RunContext
from cgkit.runs.cost.forecast import forecast
from cgkit.runs.cost.pace import measure_pace, time_training
from cgkit.runs.cost.verdict import Verdict, judge
from cgkit.runs.folder import RunFolder
from cgkit.runs.health_monitor import circumstances
from cgkit.runs.preparation import Prepared, prepare
from cgkit.runs.run import Run
from cgkit.spec import Spec, resolve_spec
from cgkit.spec.loading import read_layers
from cgkit.spec.merging import combine

TRAINED = 4.0
"""Seconds for which steps are timed."""


@dataclass(frozen=True)
class DomainImages:
    """The images of one domain: their number per split, sizes, channels, number types and value range."""

    train: int
    test: int
    sizes: str
    values: str
    range: tuple[float, float]


@dataclass(frozen=True)
class Checked:
    """The result of a check.

    Attributes:
        names: what domains a and b are called; None if unknown.
        images: descriptions of the images by domain, `a` and `b`.
        parameters: the number of parameters of each network and term that is trained.
        steps: the number of steps that the spec asks for.
        precision: the number format that the step used: `fp64`, `fp32` or `bf16`.
        device: the name of the device that the step ran on.
        seconds_a_step: the mean duration of some steps after a warm-up step.
        seconds_in_all: the estimated duration of the run, with its samples, scores and checkpoints.
        peak_memory: peak memory in bytes: of the GPU, or of this process on a CPU.
        losses: the loss terms of the first step, by name.
        ignored: the files that are not images, by folder: `4 .heic, 1 .gif`.
        notes: problems of the images that can be detected before training.
        started: for each source of first weights, what the networks would take from it.
        verdict: what the run needs, what the machine has, and what to do.
    """

    names: tuple[str, str] | None
    images: dict[str, DomainImages]
    parameters: dict[str, int]
    steps: int
    precision: str
    device: str
    seconds_a_step: float
    seconds_in_all: float
    peak_memory: int
    losses: dict[str, float]
    ignored: dict[str, str]
    notes: tuple[Note, ...]
    started: tuple[str, ...]
    verdict: Verdict


def check_spec(
    file: Path,
    plugins: Plugins,
    *,
    overrides: Sequence[str] = (),
    device: str | None = None,
    decoding: Callable[[int, int], None] | None = None,
) -> Checked:
    """Validate a spec and its components, and time some training steps on the first images; write nothing.

    Args:
        file: the spec's TOML file.
        plugins: the loaded plugins.
        overrides: `path=value` texts that take precedence over the file.
        device: `cpu`, `cuda` or `cuda:N`; by default CUDA if available.
        decoding: if given, all images are decoded first, and it is called with the number of images decoded so far and
            the number of all images.

    Raises:
        CgkitError: for the same reasons as a run; with `decoding`, also if images cannot be decoded.
    """
    layers = read_layers(file, overrides)
    if decoding is not None:
        refuse_undecodable(resolve_spec(combine(layers, plugins.registries), plugins, layers), plugins, decoding)
    prepared = prepare(layers, plugins, device)
    spec, assembly = prepared.spec, prepared.assembly
    context = RunContext(spec, assembly, RunFolder(Path()), plugins, prepared.device, Silence())
    run = Run(context)
    with memory_errors_explained(), run.arithmetic():
        run.prepare_step()
        with run.batches() as all_batches:
            losses = {name: float(loss) for name, loss in run.trainer.step(next(all_batches)).items()}
        run.trainer.settle()
        pace = measure_pace(run, context, time_training(run, TRAINED))
    needed = forecast(spec, pace, run.steps, max(map(len, assembly.source.test())))
    peak = peak_memory(prepared.device)
    command = [str(file), *(word for override in overrides for word in ("--set", override))]
    model = run.trainer.model
    objective = run.trainer.objective
    networks = {f"generator {name}": model.generators[name] for name in objective.directions}
    networks |= {f"discriminator {name}": model.discriminators[name] for name in objective.judged}
    networks |= {f"term {name}": head for name, head in objective.heads.items()}
    domains = zip("ab", assembly.source.train(), assembly.source.test(), pixel_formats(spec.data), strict=True)
    return Checked(
        names=spec.data.names,
        images={side: _describe(prepared.images[side], train, test, pixels) for side, train, test, pixels in domains},
        parameters={name: _count_parameters(network) for name, network in networks.items()},
        steps=run.steps,
        precision=run.trainer.precision.name,
        device=str(prepared.device),
        seconds_a_step=pace.step,
        seconds_in_all=needed.seconds,
        peak_memory=peak,
        losses=losses,
        ignored=dict(ignored_by(assembly.source)),
        notes=_notes(prepared, run.steps),
        started=tuple(map(str, prepared.started)),
        verdict=judge(spec, needed, run.steps, peak, prepared.device, command),
    )


def refuse_undecodable(spec: Spec, plugins: Plugins, progress: Callable[[int, int], None]) -> None:
    """Decode all images that a resolved spec names.

    Raises:
        DataError: some cannot be decoded; the error lists all of these.
    """
    assembly = assemble_for_evaluation(spec.model_copy(update={"metric": ()}), plugins)
    errors = find_undecodable(assembly.source, pixel_formats(spec.data), assembly.preparations[0], progress)
    if errors:
        message = Problems.of([*errors, f"{len(errors)} of the images cannot be used"])
        raise DataError(message, hint="repair or remove them; data.skip_damaged = true skips damaged ones")


def _notes(prepared: Prepared, steps: int) -> tuple[Note, ...]:
    spec, assembly = prepared.spec, prepared.assembly
    train, test = assembly.source.train(), assembly.source.test()
    sides = zip("ab", train, pixel_formats(spec.data), assembly.preparations, strict=True)
    trained, tested = (
        ((a, images["a"].bytes), (b, images["b"].bytes))
        for (a, b), images in ((train, prepared.images), (test, prepared.test_images))
    )
    flat = [flat_images(side, domain, pixels, preparation) for side, domain, pixels, preparation in sides]
    notes = damaged(prepared.left_out) + starved(circumstances(spec, assembly, steps)) + duplicates(trained, tested)
    return (*notes, *(note for note in flat if note is not None))


def _describe(images: Inspection, train: Domain, test: Domain, pixels: PixelFormat) -> DomainImages:
    return DomainImages(len(train), len(test), images.describe(), images.describe_values(), pixels.written_range)


def _count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
