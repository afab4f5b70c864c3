"""Export a generator to other programs, as `cgkit export` does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cgkit.abilities import assembler_of
from cgkit.contracts import Exporter
from cgkit.errors import ResourceError, SpecError, UsageError
from cgkit.exchange.comparing import Comparison, summarise
from cgkit.exchange.directions import assemble_model, export_direction
from cgkit.exchange.facts import facts_of
from cgkit.models.info import Weights
from cgkit.models.opening import open_model
from cgkit.options import build, check_options
from cgkit.plugins import Plugins, load_plugins
from cgkit.registry import Component


def export_model(
    run_or_model: str | os.PathLike[str],
    file: Path,
    *,
    format: str,
    options: Mapping[str, Any] | None = None,
    direction: str | None = None,
    weights: Weights | None = None,
    plugins: Plugins | None = None,
) -> Comparison | None:
    """Write the generator of one direction, or the whole model, to a file for other programs; compare it first.

    Args:
        run_or_model: a run folder, a model folder or a kept checkpoint, such as `RUN@1200`, `RUN@best` or `RUN@last`.
        file: the file to write; it must not exist.
        format: the name of an exporter, such as `onnx`.
        options: the options of the exporter, as JSON values.
        direction: the direction of the generator, `a2b` or `b2a`; by default `a2b`, or all directions of the model if
            the exporter writes whole models.
        weights: `ema` for the moving average of the weights, or `raw` for the weights themselves; by default the
            moving average if there is one.
        plugins: the loaded plugins; by default all installed plugins are loaded.

    Returns:
        The result of the comparison, over all exported directions; None if the exporter cannot load its files.

    Raises:
        CheckpointError: there is no usable model, the generator cannot be written in this format, or the outputs of
            the file differ from the generator's.
        UsageError: the file exists, the format is unknown, or a package that the format needs is not installed.
        SpecError: an option is unknown or invalid.
        PluginError: the exporter violates its contract.
        ResourceError: the file cannot be written.
    """
    if file.exists():
        raise UsageError(f"{file} already exists", hint="choose another --output, or remove it")
    plugins = plugins or load_plugins()
    component = plugins.registries.exporters[format]
    exporter = _build_exporter(component, options or {})
    model = open_model(run_or_model, plugins)
    assemble = assembler_of(exporter)
    directions = model.info.directions if direction is None and assemble else (direction or "a2b",)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".tmp-", dir=file.parent) as made:
            written = [
                export_direction(model, way, weights, exporter, component, Path(made) / f"{way}{exporter.suffix}")
                for way in directions
            ]
            result = written[0].exported.file
            if assemble is not None:
                facts = facts_of(run_or_model, model.info, directions, weights)
                result = Path(made) / f"model{exporter.suffix}"
                assemble_model(component, assemble, [part.exported for part in written], facts, result)
            result.replace(file)
    except OSError as error:
        raise ResourceError(f"{file} cannot be written: {error.strerror or error}") from error
    return summarise([part.comparison for part in written])


def _build_exporter(component: Component, options: Mapping[str, Any]) -> Exporter:
    valid, problems = check_options(component, options)
    if problems:
        raise SpecError(replace(problem, path=f"{component.name}.{problem.path}") for problem in problems)
    try:
        exporter: Exporter = build(component, options=valid)
    except ValueError as error:
        raise UsageError(f"{component.name}: {error}") from error
    return exporter
