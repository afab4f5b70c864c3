"""Survey images, size a run for them, and write its spec: what `cgkit init` does."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cgkit.data.file_formats import load_formats
from cgkit.engine.precision import choose_device
from cgkit.plugins import Plugins
from cgkit.scaffolding.dataset import survey_dataset
from cgkit.scaffolding.presets import PRESETS
from cgkit.scaffolding.sizing import candidates, size_run
from cgkit.scaffolding.starter_spec import describe_limits, heading_of, published, write_spec
from cgkit.scaffolding.trial import Trial

BUSY = 0.6
"""The number of waiting programs for each processor from which a machine counts as busy."""


@dataclass(frozen=True)
class Order:
    """What the user wants.

    Attributes:
        folders: two folders of images, the root of a data set, or none for the built-in images.
        preset: the name of the recipe.
        hours: the time that the run may take.
        relative_to: the folder of the spec, to which its paths are relative.
        number: is appended to the name of the run.
    """

    folders: Sequence[Path]
    preset: str
    hours: float
    relative_to: Path
    number: str = ""


def start(
    order: Order, plugins: Plugins, device: str | None, report: Callable[[str], None], warn: Callable[[str], None]
) -> str:
    """Return the text of a spec.

    Args:
        order: what the user wants.
        plugins: the loaded plugins.
        device: `cpu`, `cuda` or `cuda:N`; by default CUDA if available.
        report: called with each line of progress.
        warn: called with each reason why the run is not what it should be.

    Raises:
        UsageError: the folders are no data set, or the device does not exist.
        DataError: a folder contains no readable image.
        ResourceError: there is not enough memory for the fastest setting.
    """
    dataset, remarks = survey_dataset(order.folders, load_formats(plugins))
    for remark in remarks:
        report(remark)
    preset, name = PRESETS[order.preset], f"{dataset.name}{order.number}"
    heading = f"Preset {order.preset}: {preset.summary}."
    if not preset.sized:
        return write_spec(
            dataset, preset, published(dataset), relative_to=order.relative_to, name=name, heading=heading
        )
    if (load := _load()) is not None:
        warn(f"other programs keep this machine busy ({load}), so what is measured now is too slow for an idle one")
    trial = Trial(dataset, preset, plugins, choose_device(device), report)
    choices = candidates(dataset.side, dataset.aspect)
    seconds = 3600 * order.hours
    sizing = size_run(choices, seconds, tests=dataset.scored, time_step=trial.time_step, measure=trial.measure)
    chosen = sizing.candidate
    height, width = chosen.size
    networks = f"width {chosen.width}, {chosen.blocks} blocks"
    report(f"chosen: {width}x{height} pixels, {networks}, steps: {sizing.steps:,}")
    limits = describe_limits(sizing, order.hours)
    for limit in limits:
        warn(limit)
    heading = "\n".join([heading, *heading_of(sizing, order.hours, trial.arithmetic), *limits])
    return write_spec(dataset, preset, chosen, relative_to=order.relative_to, sizing=sizing, name=name, heading=heading)


def _load() -> str | None:
    """Return how busy other programs keep the processors, if they do; None if not, or if the system does not say."""
    processors = os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return f"load {load:.1f} on {processors} processors" if load > BUSY * processors else None
