"""Export a generator to other programs, as `cgkit export` does."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cgkit.components.exporters.unit_range import OnUnitRange
from cgkit.contracts import Exporter
from cgkit.errors import ResourceError, SpecError, UsageError
from cgkit.exchange.comparing import Comparison
from cgkit.exchange.writing import write
from cgkit.files.atomic import replacing
from cgkit.models.config import without_places
from cgkit.models.info import ModelInfo, Weights
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
    direction: str = "a2b",
    weights: Weights | None = None,
    plugins: Plugins | None = None,
) -> Comparison | None:
    """Write the generator of one direction to a file for other programs, and compare the file with the generator.

    Args:
        run_or_model: a run folder, a model folder or a kept checkpoint, such as `RUN@1200`, `RUN@best` or `RUN@last`.
        file: the file to write; it must not exist.
        format: the name of an exporter, such as `onnx`.
        options: the options of the exporter, as JSON values.
        direction: the direction of the generator, `a2b` or `b2a`.
        weights: `ema` for the moving average of the weights, or `raw` for the weights themselves; by default the
            moving average if there is one.
        plugins: the loaded plugins; by default all installed plugins are loaded.

    Returns:
        The result of the comparison; None if the exporter cannot load its files.

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
    info, network = model.info, OnUnitRange(model.generator(direction, weights))
    channels = info.spec.data.channels["ab".index(direction[0])]
    notes = _notes(info, direction, weights, channels, network.stride)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file, exporter.suffix) as temporary:
            return write(network, exporter, component, temporary, (channels, *info.spec.data.size), notes)
    except OSError as error:
        raise ResourceError(f"{file} cannot be written: {error.strerror or error}") from error


def _build_exporter(component: Component, options: Mapping[str, Any]) -> Exporter:
    valid, problems = check_options(component, options)
    if problems:
        raise SpecError(replace(problem, path=f"{component.name}.{problem.path}") for problem in problems)
    try:
        exporter: Exporter = build(component, options=valid)
    except ValueError as error:
        raise UsageError(f"{component.name}: {error}") from error
    return exporter


def _notes(info: ModelInfo, direction: str, weights: Weights | None, channels: int, stride: int) -> dict[str, str]:
    """Return what a file should say about its network."""
    return {
        "cgkit": version("cgkit"),
        "direction": direction,
        "weights": weights or ("ema" if info.averaged else "raw"),
        "step": str(info.step),
        "images": f"float32 (N, {channels}, H, W) in [0, 1] for data.range; H and W are multiples of {stride}",
        "translations": "float32, of the same N, H and W, in [0, 1] for data.range",
        "spec": json.dumps(without_places(info.spec.to_json())),
    }
