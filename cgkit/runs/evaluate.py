"""Measuring the model of a run: what `cgkit evaluate` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from cgkit.engine.assembly import Bench, assemble_bench
from cgkit.engine.component_checks import plugin_at_fault
from cgkit.models.inference import translations_by
from cgkit.engine.memory import memory_errors_explained
from cgkit.models.info import DIRECTIONS, ModelInfo
from cgkit.models.folder import load_generator, read_model
from cgkit.data.pixel_formats import pixel_formats
from cgkit.engine.precision import choose_device, choose_precision
from cgkit.runs.folder import RunFolder
from cgkit.models.folder import no_run_folder
from cgkit.errors import CgkitError, CheckpointError, UsageError
from cgkit.evaluation.images import MeasuredImages
from cgkit.evaluation.record import Evaluation, weights_name, write_evaluation
from cgkit.evaluation.scoring import Scoring
from cgkit.options import REQUIRED, options_of
from cgkit.plugins import Plugins, load_plugins
from cgkit.spec import Spec, resolve_spec

ALL = "all"
"""In place of metrics' names: every one that is registered and needs no options."""


def evaluate(
    run: Path | str,
    *,
    metrics: Sequence[str] = (),
    count: int | None = None,
    best: bool = False,
    device: str | None = None,
    plugins: Plugins | None = None,
    report: Callable[[str], None] = lambda message: None,
) -> Evaluation:
    """Measure the model of a run on its test images, and keep the numbers in its folder's `evaluation.json`.

    The same run, seed and settings give the same numbers on the same machine.

    Args:
        run: the run folder.
        metrics: what to compute; `all` is every metric that is there. By default what the spec names, or, where none of
            it applies to the test images, what the toolkit computes without a truth.
        count: how many test images of each domain; by default as the spec says.
        best: measure the best model in place of the last one; the numbers are kept in its own folder.
        device: `cpu`, `cuda` or `cuda:N`; by default CUDA where there is one.
        plugins: the loaded plugins; by default all that are installed.
        report: told of each metric that cannot be computed.

    Raises:
        CheckpointError: there is no such model, or it is damaged.
        SpecError: a metric has no such name, or a plugin that the run was made with is missing.
        UsageError: no metric could be computed.
    """
    plugins = plugins or load_plugins()
    folder = RunFolder(Path(run))
    spec = _spec(folder, metrics, plugins)
    model = folder.best if best else folder.model
    if not model.is_dir():
        hint = "cgkit run writes it at the end" if not best else "evaluation.best in the spec keeps one"
        raise CheckpointError(f"{folder.path} has no {model.name} model", hint=hint)
    info = read_model(model, plugins)
    bench = assemble_bench(spec, plugins, fallbacks=not metrics)
    images = MeasuredImages(bench.source, pixel_formats(spec.data), bench.preparation, count or spec.evaluation.count)
    _report_what_does_not_apply(bench, images, metrics, report)
    precision = choose_precision(info.spec.train.precision, choose_device(device))
    with memory_errors_explained():
        generators = _generators(model, info, plugins).to(precision.device, precision.dtype)
        try:
            scoring = Scoring(images, spec.evaluation.seed, report)
            scores = scoring.scores(translations_by(generators, precision), bench.metrics)
        except CgkitError:
            raise
        except Exception as error:
            blamed = plugin_at_fault(error, bench.components.values())
            if blamed is None:
                raise
            raise blamed from error
    if not scores:
        raise UsageError(f"no metric could be computed for {folder.path}", hint="name others with --metrics")
    evaluation = Evaluation(info.step, weights_name(info.averaged), scores)
    write_evaluation(model if best else folder.path, evaluation)
    return evaluation


def _spec(folder: RunFolder, metrics: Sequence[str], plugins: Plugins) -> Spec:
    values = folder.remembered_spec()
    if values is None:
        raise no_run_folder(folder.path)
    if metrics:
        said: dict[str, Any] = {use["name"]: use for use in values.get("metric", ())}
        if ALL in metrics:
            metrics = [*said, *(name for name in _without_required_options(plugins) if name not in said)]
        values["metric"] = [said.get(name, {"name": name}) for name in metrics]
    return resolve_spec(values, plugins, made_with=folder.made_with())


def _without_required_options(plugins: Plugins) -> list[str]:
    registry = plugins.registries.metrics
    return [
        registry.reference(component)
        for component in registry
        if all(option.default is not REQUIRED for option in options_of(component).values())
    ]


def _generators(model: Path, info: ModelInfo, plugins: Plugins) -> nn.ModuleDict:
    return nn.ModuleDict({direction: load_generator(model, info, direction, plugins) for direction in DIRECTIONS})


def _report_what_does_not_apply(
    bench: Bench, images: MeasuredImages, asked_for: Sequence[str], report: Callable[[str], None]
) -> None:
    for one in bench.metrics:
        if one.name in asked_for and not one.applies(aligned=images.aligned, channels=images.channels):
            lacking = "the test images are not aligned" if one.compares == "truth" else "the channels differ"
            report(f"{one.name} is not computed: {lacking}")
