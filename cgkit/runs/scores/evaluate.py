"""Evaluate the model of a run; the implementation of `cgkit evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from cgkit.data.damage import leave_out_damaged
from cgkit.data.pixel_formats import pixel_formats
from cgkit.engine.assembly import EvaluationAssembly, assemble_for_evaluation
from cgkit.engine.component_checks import plugin_at_fault
from cgkit.engine.memory import memory_errors_explained
from cgkit.engine.precision import choose_device, choose_precision
from cgkit.errors import CgkitError, DataError, UsageError
from cgkit.evaluation.images import MeasuredImages
from cgkit.evaluation.record import Evaluation, weights_name, write_evaluation
from cgkit.evaluation.scoring import NO_OBJECTS, Scoring
from cgkit.models.address import Address
from cgkit.models.folder import no_run_folder
from cgkit.models.inference import translations_by
from cgkit.models.info import ModelInfo
from cgkit.models.opening import Model, open_model
from cgkit.options import REQUIRED, options_of
from cgkit.plugins import Plugins, load_plugins
from cgkit.runs.continuing.changes import is_within, with_hint_on_moved_data
from cgkit.runs.continuing.resume import FIXED
from cgkit.runs.continuing.trained_spec import trained_spec
from cgkit.runs.folder import RunFolder
from cgkit.spec import Spec, resolve_spec
from cgkit.spec.merging import combine
from cgkit.spec.reading import Layer, read_override

ALL = "all"
"""The name that stands for the metrics of the spec and every other registered metric that requires no options."""


def evaluate(
    run: Path | str,
    *,
    metrics: Sequence[str] = (),
    count: int | None = None,
    overrides: Sequence[str] = (),
    device: str | None = None,
    plugins: Plugins | None = None,
    report: Callable[[str], None] = lambda message: None,
    progress: Callable[[str], None] = lambda text: None,
) -> Evaluation:
    """Evaluate the model of a run on the test images, and write the scores to `evaluation.json` in the run folder.

    The scores of a particular checkpoint are written to `evaluations/step-NNNNNNNNN`, those of the best model to
    `best`. The same run, seed and settings give the same scores on the same machine.

    Args:
        run: the run folder, or a kept checkpoint: `RUN@STEP`, `RUN@best` or `RUN@last`.
        metrics: the names of the metrics to compute; `all` means the spec's metrics and all others that
            require no options. By default the spec's metrics, along with the fallback metrics if none of them applies.
        count: the number of test images of each domain; by default as in the spec.
        overrides: `path=value` texts that override the run's spec in `[data]` and `[evaluation]`, such as
            `data.a=FOLDER` if a folder has moved.
        device: `cpu`, `cuda` or `cuda:N`; by default CUDA if available.
        plugins: the loaded plugins; by default all that are installed.
        report: called with one line for each metric that cannot be computed reliably or at all.
        progress: called with what is being done, such as "scoring test images: a2b, 24 of 200".

    Raises:
        CheckpointError: `run` is not a run folder, or its model is missing or damaged.
        SpecError: a metric does not exist, or a plugin that the run used is missing.
        UsageError: no metric could be computed, or the device does not exist.
    """
    plugins = plugins or load_plugins()
    address = Address.of_run(run)
    spec = _resolve(RunFolder(address.folder), metrics, overrides, plugins, report)
    model = open_model(address, plugins)
    info = model.info
    assembly, pixels = _assemble(spec, plugins, not metrics, report), pixel_formats(spec.data)
    images = MeasuredImages(assembly.source, pixels, assembly.preparations, count or spec.evaluation.count)
    _report_inapplicable(assembly, images, info, metrics, report)
    precision = choose_precision(info.spec.train.precision, choose_device(device))
    with memory_errors_explained():
        generators = _generators(model).to(precision.device, precision.dtype)
        try:
            scoring = Scoring(images, spec.evaluation.seed, report, progress)
            scores = scoring.scores(translations_by(generators, precision), assembly.metrics)
        except CgkitError:
            raise
        except Exception as error:
            blamed = plugin_at_fault(error, assembly.components.values())
            if blamed is None:
                raise
            raise blamed from error
    if not scores:
        raise UsageError(f"no metric could be computed for {address}", hint="choose other metrics with --metrics")
    evaluation = Evaluation(info.step, weights_name(info.averaged), scores)
    write_evaluation(address.scores_folder(info.step), evaluation)
    return evaluation


def _assemble(spec: Spec, plugins: Plugins, fallbacks: bool, report: Callable[[str], None]) -> EvaluationAssembly:
    try:
        assembly = assemble_for_evaluation(spec, plugins, fallbacks=fallbacks)
    except DataError as error:
        raise with_hint_on_moved_data(error) from error
    if not spec.data.skip_damaged:
        return assembly
    remaining = leave_out_damaged(assembly.source, pixel_formats(spec.data), assembly.preparations[0], report)
    return replace(assembly, source=remaining)


def _override(values: dict[str, Any], overrides: Sequence[str], plugins: Plugins) -> dict[str, Any]:
    layers = [read_override(text) for text in overrides]
    for path in (path for layer in layers for path in layer.lines):
        if not is_within(path, ("data", "evaluation")):
            raise UsageError(f"--set {path}: only data and evaluation can be overridden for an evaluation")
        if path in FIXED:
            raise UsageError(f"{path} cannot change: the model was trained with it")
    return combine([Layer("the run's spec", values, folder=Path.cwd(), lines={}), *layers], plugins.registries)


def _resolve(
    folder: RunFolder,
    metrics: Sequence[str],
    overrides: Sequence[str],
    plugins: Plugins,
    report: Callable[[str], None],
) -> Spec:
    values = trained_spec(folder, plugins, report)
    if values is None:
        raise no_run_folder(folder.path)
    values.pop("plugins", None)  # no hook is called here
    if overrides:
        values = _override(values, overrides, plugins)
    if metrics:
        named: dict[str, Any] = {use["name"]: use for use in values.get("metric", ())}
        if ALL in metrics:
            metrics = [*named, *(name for name in _without_required_options(plugins) if name not in named)]
        values["metric"] = [named.get(name, {"name": name}) for name in metrics]
    return resolve_spec(values, plugins, made_with=folder.made_with())


def _without_required_options(plugins: Plugins) -> list[str]:
    registry = plugins.registries.metrics
    return [
        registry.reference(component)
        for component in registry
        if all(option.default is not REQUIRED for option in options_of(component).values())
    ]


def _generators(model: Model) -> nn.ModuleDict:
    return nn.ModuleDict({direction: model.generator(direction, None) for direction in model.info.directions})


def _report_inapplicable(
    assembly: EvaluationAssembly,
    images: MeasuredImages,
    info: ModelInfo,
    requested: Sequence[str],
    report: Callable[[str], None],
) -> None:
    reasons = {
        "truth": "the test images are not aligned",
        "source": "the channel counts differ",
        "objects": NO_OBJECTS,
        "cycle": f"the model only translates {info.directions[0]}",
    }
    both = len(info.directions) == 2
    for metric in assembly.metrics:
        applies = metric.applies(images.source, images.channels, both_directions=both)
        if metric.name in requested and not applies:
            report(f"{metric.name} is not computed: {reasons[metric.compares]}")
