"""Export the directions of a model one by one, and let an exporter assemble them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cgkit.components.exporters.unit_range import OnUnitRange
from cgkit.contracts import ExportedDirection, Exporter, ModelFacts
from cgkit.data.pixel_formats import pixel_formats
from cgkit.errors import PluginError
from cgkit.exchange.comparing import Comparison
from cgkit.exchange.writing import failures_reported, write
from cgkit.images.pixels import PixelFormat
from cgkit.models.config import without_places
from cgkit.models.info import ModelInfo, Weights
from cgkit.models.opening import Model
from cgkit.registry import Component
from cgkit.spec.images import labels_of


@dataclass(frozen=True)
class Written:
    """A direction that was exported, and its comparison with the network; None if the exporter cannot load files."""

    exported: ExportedDirection
    comparison: Comparison | None


def export_direction(
    model: Model, direction: str, weights: Weights | None, exporter: Exporter, component: Component, file: Path
) -> Written:
    """Write the generator of one direction to a file, and compare them; see `cgkit.exchange.writing.write`."""
    info, network = model.info, OnUnitRange(model.generator(direction, weights))
    data, labels = info.spec.data, labels_of(info.spec.to_json())
    formats, order = pixel_formats(data), (0, 1) if direction == "a2b" else (1, 0)
    source, target = (formats[side] for side in order)
    notes = _notes(info, direction, weights, source.channels, network.stride)
    comparison = write(network, exporter, component, file, (source.channels, *data.size), notes)
    exported = ExportedDirection(
        direction=direction,
        file=file,
        names=(labels["ab"[order[0]]], labels["ab"[order[1]]]),
        channels=(source.channels, target.channels),
        stride=network.stride,
        size=data.size,
        trained_scale=getattr(data.trained_scale, direction[0]),
        eight_bits=_has_eight_bits(source) and _has_eight_bits(target),
        background=source.background,
        keeps_alpha=source.alpha == "carry",
        difference=None if comparison is None else comparison.difference,
    )
    return Written(exported, comparison)


def assemble_model(
    component: Component,
    assemble: Callable[[Sequence[ExportedDirection], ModelFacts, Path], None],
    directions: Sequence[ExportedDirection],
    facts: ModelFacts,
    file: Path,
) -> None:
    """Write the file of a whole model.

    Raises:
        CheckpointError: the exporter cannot write this model.
        PluginError: the exporter wrote no file.
        UsageError: something that the exporter needs is missing.
    """
    with failures_reported(component, "the model"):
        assemble(directions, facts, file)
    if not file.exists():
        raise PluginError(f"{component} wrote no file")


def _has_eight_bits(pixels: PixelFormat) -> bool:
    return pixels.depth == "uint8" and pixels.range in (None, (0, 255)) and not pixels.has_alpha


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
