"""Export a generator to other programs, as `cgkit export` does."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cgkit.abilities import stride_of
from cgkit.errors import ResourceError, UsageError
from cgkit.exchange.comparing import Comparison, OnUnitRange, shapes_to_compare
from cgkit.files.atomic import replacing
from cgkit.models.folder import find_model, load_generator, read_model
from cgkit.models.info import Weights
from cgkit.plugins import Plugins, load_plugins
from cgkit.spec import Use

FORMATS = {"onnx": "onnx_file", "torch-export": "torch_program", "published": "published_file"}
"""The formats, each with the name of the module that writes it."""


@dataclass(frozen=True)
class Export:
    """A generator to be exported.

    Attributes:
        network: the generator, wrapped so that its inputs and outputs are images in [0, 1].
        name: the name of the generator component.
        shapes: the shapes of the images on which the exported network is compared with the generator.
        stride: the number that the height and width of images must be multiples of.
        metadata: information about the model to store in the file.
        plugins: the loaded plugins.
    """

    network: OnUnitRange
    name: str
    shapes: tuple[tuple[int, ...], ...]
    stride: int
    metadata: dict[str, str]
    plugins: Plugins

    def metadata_with(self, comparison: Comparison) -> dict[str, str]:
        """Return the metadata with the result of a comparison added."""
        shapes = json.dumps(comparison.shapes)
        return {**self.metadata, "largest_difference": f"{comparison.difference:.3g}", "compared_on": shapes}


def export_model(
    run_or_model: str | os.PathLike[str],
    file: Path,
    *,
    format: str,
    direction: str = "a2b",
    weights: Weights | None = None,
    plugins: Plugins | None = None,
) -> Comparison:
    """Write the generator of one direction to a file for other programs, and compare the file with the generator.

    Args:
        run_or_model: a run folder or a model folder.
        file: the file to write; it must not exist.
        format: one of `FORMATS`. An `onnx` or `torch-export` file maps images in [0, 1] to images in [0, 1], for any
            batch size and any height and width that are multiples of the generator's stride; a `published` file is a
            state dict with the tensor names of the published code.
        direction: the direction of the generator, `a2b` or `b2a`.
        weights: `ema` for the moving average of the weights, or `raw` for the weights themselves; by default the
            moving average if there is one.
        plugins: the loaded plugins; by default all installed plugins are loaded.

    Raises:
        CheckpointError: there is no usable model, the generator cannot be written in this format, or the outputs of
            the exported network differ from the generator's.
        UsageError: the file exists, the format is unknown, or a package that the format needs is not installed.
        ResourceError: the file cannot be written.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}", hint=f"choose one of: {', '.join(FORMATS)}")
    if file.exists():
        raise UsageError(f"{file} already exists", hint="choose another --output, or remove it")
    plugins = plugins or load_plugins()
    folder = find_model(run_or_model)
    info = read_model(folder, plugins)
    generator = load_generator(folder, info, direction, plugins, weights)
    use = (info.spec.generator.a2b if direction == "a2b" else info.spec.generator.b2a) or Use()
    channels = info.spec.data.channels[0 if direction == "a2b" else 1]
    stride = stride_of(generator)
    metadata = {
        "cgkit": version("cgkit"),
        "direction": direction,
        "weights": weights or ("ema" if info.averaged else "raw"),
        "step": str(info.step),
        "images": f"float32 (N, {channels}, H, W) in [0, 1] for data.range; H and W are multiples of {stride}",
        "translations": "float32, of the same N, H and W, in [0, 1] for data.range",
        "spec": json.dumps(info.spec.to_json()),
    }
    shapes = shapes_to_compare(channels, stride, info.spec.data.size)
    export = Export(OnUnitRange(generator), str(use.name), shapes, stride, metadata, plugins)
    write: Callable[[Export, Path], Comparison] = importlib.import_module(f"cgkit.exchange.{FORMATS[format]}").write
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            return write(export, temporary)
    except OSError as error:
        raise ResourceError(f"{file} cannot be written: {error.strerror or error}") from error
