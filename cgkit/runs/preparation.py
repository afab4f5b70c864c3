"""Prepare a run: resolve its spec, build its components, and read the headers of its images."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from cgkit.abilities import domain_names_of, scaler_of, smallest_image, stride_of
from cgkit.checkpoints import list_checkpoints
from cgkit.contracts import Domain, ImageRecord
from cgkit.data.damage import Remaining, leave_out_damaged
from cgkit.data.extras import check_extras
from cgkit.data.inspection import Inspection, check_images, common_depth
from cgkit.data.pixel_formats import pixel_formats, with_depths
from cgkit.data.trained_scale import measure_scale, with_scales
from cgkit.display.reporter import Reporter
from cgkit.engine.assembly import Assembly, assemble
from cgkit.engine.component_checks import unfit_components
from cgkit.engine.memory import memory_errors_explained, memory_of, refuse_oversized_batch, refuse_oversized_step
from cgkit.engine.objective import Objective
from cgkit.engine.precision import choose_device
from cgkit.errors import CgkitWarning, DamagedImageError, DataError, Problem, Problems, SpecError, UsageError
from cgkit.images.known_headers import KnownHeaders
from cgkit.models.provenance import refuse_other_plugins
from cgkit.plugins import Plugins
from cgkit.runs.continuing.changes import with_hint_on_moved_data
from cgkit.runs.continuing.resume import refuse_other_spec
from cgkit.runs.continuing.trained_spec import trained_spec
from cgkit.runs.folder import RunFolder
from cgkit.runs.scores.best_model import check_best_metric
from cgkit.runs.starting import Started, start_from
from cgkit.spec import Spec, resolve_spec
from cgkit.spec.loading import located
from cgkit.spec.merging import combine
from cgkit.spec.providers import providers_used
from cgkit.spec.reading import Layer

MAX_PROBLEMS = 10
"""The maximum number of unusable images that an error message lists; any others are only counted."""


@dataclass(frozen=True)
class Prepared:
    """A valid spec, the objects built from it, and the inspections of the training and of the test images by domain.

    If the run is new, `started` says which weights its networks took from elsewhere.
    """

    spec: Spec
    assembly: Assembly
    device: torch.device
    images: dict[str, Inspection]
    test_images: dict[str, Inspection]
    started: tuple[Started, ...] = ()

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is wrong with each damaged image that is left out."""
        source = self.assembly.source
        return source.left_out if isinstance(source, Remaining) else ()


def prepare(
    layers: Sequence[Layer],
    plugins: Plugins,
    device: str | None = None,
    *,
    folder: RunFolder | None = None,
    reporter: Reporter | None = None,
    changes: Sequence[str] = (),
) -> Prepared:
    """Validate a spec, build the objects it names and inspect its images; write nothing.

    Args:
        layers: the spec's file and overrides, as `read_layers` returns them.
        plugins: the loaded plugins.
        device: see `run`.
        folder: the run folder, which may hold a run to resume.
        reporter: receives a warning if plugin versions differ from those at the start of the run, and what was taken
            of the weights that a new run starts from.
        changes: see `run`.

    Raises:
        SpecError: the spec is invalid, or does not describe the run in `folder`; the error lists all problems.
        DataError: images are missing or cannot be used; the error lists these images.
        PluginError: a component cannot be built, or the run was started with an incompatible version of a plugin.
        UsageError: the device does not exist, or `changes` names something that cannot change.
    """
    spec = _resolve(layers, plugins, folder, reporter, changes)
    chosen = choose_device(device)
    memory = memory_of(chosen)
    fresh = folder is None or not list_checkpoints(folder.checkpoints)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    try:
        refuse_oversized_batch(spec, memory, processes)
        with memory_errors_explained():
            assembly = assemble(spec, plugins, fresh=fresh, memory=memory)
            started = start_from(spec.start, assembly.model, plugins) if spec.start and fresh else ()
            _check_components(spec, assembly)
            refuse_oversized_step(spec, list(assembly.model.generators.values()), memory, processes)
            if spec.data.skip_damaged:
                warn = reporter.warning if reporter is not None else lambda message: None
                pixels = pixel_formats(spec.data)
                source = leave_out_damaged(assembly.source, pixels, assembly.preparations[0], warn)
                assembly = replace(assembly, source=source)
            images, test_images = _inspect_images(spec, assembly)
        declared = {"a": spec.data.depth.a, "b": spec.data.depth.b}
        depths = {side: own or common_depth([images[side], test_images[side]]) for side, own in declared.items()}
        spec = _with_scales(with_depths(_with_names(spec, domain_names_of(assembly.source)), depths), assembly, images)
    except SpecError as error:
        raise SpecError(located(error.problems, layers)) from error
    except DataError as error:
        raise (error if fresh else with_hint_on_moved_data(error)) from error.__cause__
    _warn_of_terms_alone(assembly.objective)
    if reporter is not None:
        for line in (line for source in started for line in str(source).splitlines()):
            reporter.message(line)
        for side, inspection in images.items():
            for note in inspection.notes:
                reporter.message(f"domain {side}: {note}")
    return Prepared(spec, assembly, chosen, images, test_images, started)


def _resolve(
    layers: Sequence[Layer],
    plugins: Plugins,
    folder: RunFolder | None,
    reporter: Reporter | None,
    changes: Sequence[str],
) -> Spec:
    """Return the resolved spec, unless it does not describe the run in the folder."""
    made_with = folder.made_with() if folder is not None else None
    spec = resolve_spec(combine(layers, plugins.registries), plugins, layers, made_with=made_with)
    say = reporter.warning if reporter is not None else lambda message: None
    remembered = trained_spec(folder, plugins, say) if folder is not None else None
    if changes and remembered is None:
        where = folder.path if folder is not None else "this"
        raise UsageError(f"{where} holds no run that could change", hint="leave out --change, or correct --output")
    if folder is not None and remembered is not None and folder.holds_state:
        accepted = refuse_other_spec(remembered, spec, folder.path, plugins, layers, changes)
        if accepted and made_with is not None:  # what has changed may need other packages
            made_with = {**providers_used(spec, plugins), **made_with}
        other_versions = refuse_other_plugins(made_with, spec, plugins, folder.path)
        if other_versions is not None and reporter is not None:
            reporter.warning(other_versions)
    names = (remembered or {}).get("data", {}).get("names")
    return _with_names(spec, (str(names[0]), str(names[1])) if names else None)


def _check_components(spec: Spec, assembly: Assembly) -> None:
    problems = _check_strides(spec, assembly) or unfit_components(spec, assembly)
    problems += check_best_metric(
        spec.evaluation,
        assembly.metrics,
        assembly.source,
        channels=spec.data.channels,
        trained=assembly.objective.directions,
    )
    if problems:
        raise SpecError(problems)


def _warn_of_terms_alone(objective: Objective) -> None:
    """Warn of a direction that only terms train, which may have been forgotten in a one-sided spec."""
    cycles = objective.weights.cycle.forward or objective.weights.cycle.backward
    for direction in objective.directions:
        terms = [term.name for term in objective.terms if term.direction == direction]
        if terms and not cycles and not getattr(objective.weights.adversarial, direction):
            warnings.warn(
                f"{direction} has no adversarial loss, so only {', '.join(terms)} would train it; "
                f"set weight = {{ {direction} = 0.0 }} if that direction is not wanted",
                CgkitWarning,
                stacklevel=2,
            )


def _check_strides(spec: Spec, assembly: Assembly) -> list[Problem]:
    height, width = spec.data.size
    strides = {direction: stride_of(network) for direction, network in assembly.model.generators.items()}
    return [
        Problem("data.size", f"height and width must be multiples of {stride}, the stride of generator {direction}")
        for direction, stride in strides.items()
        if height % stride or width % stride
    ]


def _inspect_images(spec: Spec, assembly: Assembly) -> tuple[dict[str, Inspection], dict[str, Inspection]]:
    """Read the header of every image, so that unusable images are reported before training starts.

    Returns:
        The inspections of the training and of the test images, by domain.
    """
    train: dict[str, Inspection] = {}
    test: dict[str, Inspection] = {}
    found: list[DataError] = []
    pixel = pixel_formats(spec.data)
    domains = zip("ab", assembly.source.train(), assembly.source.test(), assembly.preparations, strict=True)
    for (side, train_images, test_images, preparation), pixels, partner in zip(
        domains, pixel, pixel[::-1], strict=True
    ):
        smallest = smallest_image(preparation.framing, spec.data.size)
        with KnownHeaders(pixels, preparation.formats) as headers:
            train[side] = check_images(train_images, headers, at_least=smallest)
            smallest = smallest if scaler_of(preparation.framing) else (1, 1)
            test[side] = check_images(test_images, headers, at_least=smallest)
        found += [*train[side].problems, *test[side].problems]
        found += check_extras(_records(train_images), preparation.extras, pixels, partner, preparation.formats)
    _check_for_extras(spec, assembly)
    problems = list(dict.fromkeys(map(str, found)))
    if problems:
        more = [f"and {len(problems) - MAX_PROBLEMS} more"] if len(problems) > MAX_PROBLEMS else []
        damaged = any(isinstance(error, DamagedImageError) for error in found)
        hint = "or train without damaged images: --set data.skip_damaged=true" if damaged else None
        raise DataError(Problems.of([*problems[:MAX_PROBLEMS], *more]), hint=hint)
    return train, test


def _with_names(spec: Spec, names: tuple[str, str] | None) -> Spec:
    """Return a spec that records what the domains are called, unless it says so itself."""
    return spec.model_copy(update={"data": spec.data.model_copy(update={"names": spec.data.names or names})})


def _with_scales(spec: Spec, assembly: Assembly, images: Mapping[str, Inspection]) -> Spec:
    """Return a spec that records by which factors training scales the images of each domain."""
    declared = spec.data.trained_scale
    domains = zip("ab", assembly.source.train(), pixel_formats(spec.data), assembly.preparations, strict=True)
    return with_scales(
        spec,
        {
            side: getattr(declared, side) or measure_scale(domain, images[side].sizes, pixels, preparation)
            for side, domain, pixels, preparation in domains
        },
    )


def _check_for_extras(spec: Spec, assembly: Assembly) -> None:
    """Refuse terms that need extras of which the source has none at all."""
    problems = []
    domains = dict(zip("ab", assembly.source.train(), strict=True))
    for number, use in enumerate(spec.term):
        for term in assembly.objective.terms_of(number):
            side = term.direction[0]
            for name in term.extras:
                if not any(name in record.extras for record in _records(domains[side])):
                    message = f'"{use.name}" needs a {name} of images of domain {side}, but the source has none'
                    hint = f'with the source "folder", set data.extras_{side} = {{ {name} = "FOLDER" }}'
                    problems.append(Problem(f"term.{number}", message, hint))
    if problems:
        raise SpecError(problems)


def _records(domain: Domain) -> Iterator[ImageRecord]:
    return (domain[index] for index in range(len(domain)))
