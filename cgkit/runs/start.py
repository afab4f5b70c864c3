"""From a spec's file to a finished run: what `cgkit run` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError

from cgkit.contracts import Domain, ImageRecord, Size
from cgkit.data.inspection import Inspection, check_images, common_depth
from cgkit.engine.assembly import Assembly, assemble
from cgkit.runs.best_model import undecidable
from cgkit.models.provenance import refuse_other_plugins
from cgkit.runs.resume import refuse_other_spec
from cgkit.engine.memory import memory_errors_explained
from cgkit.data.pixel_formats import pixel_formats, with_depths
from cgkit.engine.precision import choose_device
from cgkit.engine.component_checks import unfit_components
from cgkit.engine.distributed import joined
from cgkit.runs.reporter import Reporter, Silence
from cgkit.runs.run import Outcome, Run
from cgkit.runs.folder import RunFolder
from cgkit.errors import DataError, Problem, SpecError
from cgkit.plugins import Plugins, load_plugins
from cgkit.spec import Spec, load_spec
from cgkit.spec.loading import located, read_layers
from cgkit.spec.reading import Layer

SHOWN_PROBLEMS = 10
"""How many bad images a message lists before it only counts them."""


@dataclass(frozen=True)
class Prepared:
    """A spec that is valid, with components that could be built and images that can be read."""

    spec: Spec
    assembly: Assembly
    layers: tuple[Layer, ...]
    device: torch.device
    images: dict[str, Inspection]


def run(
    spec: Path | str,
    *,
    overrides: Sequence[str] = (),
    output: Path | str | None = None,
    device: str | None = None,
    plugins: Plugins | None = None,
    reporter: Reporter | None = None,
) -> Outcome:
    """Train what a spec describes, or continue a run that was stopped; `report.html` in its folder shows it.

    Args:
        spec: the spec's TOML file.
        overrides: `path=value` texts that win over the file.
        output: the run folder; by default `runs/` and the spec's name.
        device: `cpu`, `cuda` or `cuda:N`; by default CUDA where there is one.
        plugins: the loaded plugins; by default all that are installed.
        reporter: what shows the run to a person; by default nothing does.

    Raises:
        CgkitError: see its subclasses; nothing that was there before is lost.
    """
    plugins, reporter = plugins or load_plugins(), reporter or Silence()
    folder = RunFolder(Path(output) if output is not None else Path("runs") / _name(Path(spec), overrides))
    prepared = prepare(Path(spec), plugins, overrides, device, folder, reporter)
    with joined(prepared.device) as processes:
        training = Run(prepared.spec, prepared.assembly, folder, plugins, prepared.device, reporter, processes)
        return training.train(prepared.layers, Path(spec))


def prepare(
    file: Path,
    plugins: Plugins,
    overrides: Sequence[str] = (),
    device: str | None = None,
    folder: RunFolder | None = None,
    reporter: Reporter | None = None,
) -> Prepared:
    """Read a spec, build what it names and look at its images; write nothing.

    Args:
        file: the spec's TOML file.
        plugins: the loaded plugins.
        overrides: `path=value` texts that win over the file.
        device: as of `run`.
        folder: the run folder that may be continued: it knows the plugins that it was made with.
        reporter: told where those have other versions now.

    Raises:
        SpecError: with every problem of the spec.
        DataError: with every image that cannot be used.
        PluginError: a component cannot be built, or the folder was made with another version of a plugin.
        UsageError: there is no such device.
    """
    layers = read_layers(file, overrides)
    spec = load_spec(file, plugins, overrides, made_with=folder.made_with() if folder is not None else None)
    if folder is not None:
        _refuse_what_does_not_continue(folder, spec, plugins, layers, reporter or Silence())
    chosen = choose_device(device)
    try:
        assembly = assemble(spec, plugins)
    except SpecError as error:
        raise SpecError(located(error.problems, layers)) from error
    with memory_errors_explained():
        problems = _unfit_sizes(spec, assembly) or unfit_components(spec, assembly)
    aligned, channels = bool(assembly.source.aligned), spec.data.channels
    problems += undecidable(spec.evaluation, assembly.metrics, aligned=aligned, channels=channels)
    if problems:
        raise SpecError(located(problems, layers))
    images, depths = _inspect(spec, assembly)
    try:
        spec = with_depths(spec, depths)
    except SpecError as error:
        raise SpecError(located(error.problems, layers)) from error
    return Prepared(spec, assembly, tuple(layers), chosen, images)


def _refuse_what_does_not_continue(
    folder: RunFolder, spec: Spec, plugins: Plugins, layers: Sequence[Layer], reporter: Reporter
) -> None:
    """Tell before anything is built or written."""
    remembered = folder.remembered_spec()
    if remembered is not None:
        refuse_other_spec(remembered, spec, folder.path, layers)
        differing = refuse_other_plugins(folder.made_with(), spec, plugins, folder.path)
        if differing is not None:
            reporter.warning(differing)


def _name(file: Path, overrides: Sequence[str]) -> str:
    """Return what a spec says that the run is called; the default name where it says nothing sound."""
    said = [layer.values["name"] for layer in read_layers(file, overrides) if "name" in layer.values]
    try:
        return Spec.model_validate({"name": said[-1]} if said else {}).name
    except ValidationError:
        return Spec().name  # told when the whole spec is validated


def _unfit_sizes(spec: Spec, assembly: Assembly) -> list[Problem]:
    """Return a problem for each generator whose stride does not divide the trained size."""
    height, width = spec.data.size
    strides = {way: int(getattr(network, "stride", 1)) for way, network in assembly.model.generators.items()}
    return [
        Problem("data.size", f"{height}x{width} is not a multiple of {stride}, the stride of generator {way}")
        for way, stride in strides.items()
        if height % stride or width % stride
    ]


def _inspect(spec: Spec, assembly: Assembly) -> tuple[dict[str, Inspection], dict[str, str | None]]:
    """Read the header of every image, so that a bad one is known now and not in two hours.

    Returns:
        What was seen of the training images of each domain, and the depth of the domain's files.
    """
    framing = assembly.preparation.framing
    least_of = getattr(framing, "smallest", None)
    smallest: Size = least_of(spec.data.size) if least_of is not None else (1, 1)
    formats = pixel_formats(spec.data)
    domains = tuple(zip("ab", assembly.source.train(), assembly.source.test(), formats, strict=True))
    train = {side: check_images(_records(domain), pixels, at_least=smallest) for side, domain, _, pixels in domains}
    test = {side: check_images(_records(domain), pixels) for side, _, domain, pixels in domains}
    found = [*train.values(), *test.values()]
    problems = list(dict.fromkeys(str(problem) for one in found for problem in one.problems))
    if problems:
        more = [f"and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
        raise DataError("\n".join([*problems[:SHOWN_PROBLEMS], *more]))
    declared = {side: getattr(spec.data.depth, side) for side in "ab"}
    return train, {side: declared[side] or common_depth([train[side], test[side]]) for side in "ab"}


def _records(domain: Domain) -> Iterator[ImageRecord]:
    return (domain[index] for index in range(len(domain)))
