"""The commented spec that `cgkit init` writes; every value says where it comes from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cgkit.health.data import SHOWINGS
from cgkit.runs.cost.verdict import ENOUGH_IMAGES
from cgkit.scaffolding.dataset import Dataset
from cgkit.scaffolding.presets import Augmentation, Preset, Setting
from cgkit.scaffolding.sizing import Candidate, Sizing

TABLES = ("generator", "discriminator", "adversarial_loss", "objective", "train", "checkpoint", "samples")
"""The tables of a starter spec after `data`, in order; the augmentations follow the objective."""

PUBLISHED_SIDES = (256, 128)
"""The sides of the published training images, in pixels."""

TRIAL_STEPS = 10_000
"""The length of a run that is only tried."""

_SMALL_IMAGES: dict[str, Setting] = {
    "generator.downsamplings": (1, "preserves detail in small images"),
    "generator.upsample": ("resize", "avoids checkerboard patterns"),
}

MANY_SHOWINGS: Augmentation = (
    "diff-augment",
    {},
    "each image is shown often, and the discriminators would memorise it: Zhao et al., NeurIPS 2020",
)


def published(dataset: Dataset) -> Candidate:
    """Return the size and the networks of the paper: 256 pixels, or 128 for smaller images."""
    side = next((side for side in PUBLISHED_SIDES if side <= dataset.side), PUBLISHED_SIDES[-1])
    return Candidate((side, side), 64, 9 if side >= 256 else 6, 64, "Zhu et al., ICCV 2017, appendix 7.2")


def write_spec(
    dataset: Dataset,
    preset: Preset,
    candidate: Candidate,
    *,
    relative_to: Path | None,
    sizing: Sizing | None = None,
    name: str | None = None,
    heading: str = "",
) -> str:
    """Return the text of a spec.

    Args:
        dataset: the data.
        preset: the recipe.
        candidate: the size and the networks.
        relative_to: the folder that paths are relative to; None for absolute paths.
        sizing: the length of the run; None if the recipe says it, or if the spec is only tried.
        name: the name of the run, by default that of the data.
        heading: the comment above the spec, in lines.
    """
    height, width = candidate.size
    size = height if height == width else [height, width]
    lines = ["# A training run of cgkit. Missing keys have the published values (Zhu et al., ICCV 2017)."]
    lines += ["# `cgkit list-components` shows the available components; `cgkit check` validates this file."]
    lines += [f"# {line}" for line in heading.splitlines()]
    lines += [f"name = {json.dumps(name or dataset.name)}", "seed = 0", "", "[data]", *dataset.lines(relative_to)]
    lines += [_line("size", size, "training size in pixels; [height, width] if they differ")]
    settings = _settings(dataset, preset, candidate, sizing)
    for table in TABLES:
        own = {key.partition(".")[2]: setting for key, setting in settings.items() if key.startswith(f"{table}.")}
        lines += ["", f"[{table}]", *(_line(key, value, why) for key, (value, why) in own.items())]
        if table == "objective":
            lines += _augmentation_lines(dataset, preset, candidate, sizing)
    return "\n".join(lines) + "\n"


def _settings(dataset: Dataset, preset: Preset, candidate: Candidate, sizing: Sizing | None) -> dict[str, Setting]:
    """Return the values of all tables but the data's and the augmentations', by place; the preset's come last."""
    settings = {
        "generator.name": ("resnet", ""),
        "generator.width": (candidate.width, candidate.why),
        "generator.blocks": (candidate.blocks, ""),
        **(_SMALL_IMAGES if preset.sized and candidate.is_small else {}),
        "discriminator.name": ("patch", ""),
        "discriminator.width": (candidate.discriminator_width, ""),
        "adversarial_loss.name": ("least-squares", 'or "bce", "hinge", "wasserstein"'),
        "objective.cycle": (10.0, "or { forward = 10.0, backward = 10.0 }"),
        "objective.identity": (5.0, "preserves colours; 0 disables it"),
        **(_length_settings(candidate, sizing) if preset.sized else {}),
        "train.precision": ("auto", "bf16 if the hardware supports it natively, else fp32"),
        "checkpoint.keep": (3, ""),
        **preset.values,
    }
    if not dataset.same_channels:
        settings["objective.identity"] = (0, "requires the same number of channels in both domains")
    return settings


def _length_settings(candidate: Candidate, sizing: Sizing | None) -> dict[str, Setting]:
    steps = sizing.steps if sizing else TRIAL_STEPS
    samples, checkpoints = (sizing.sheets, sizing.checkpoints) if sizing else (1, 1)
    rate = 2e-4 * math.sqrt(candidate.batch)
    scaled = "the published 2e-4" if candidate.batch == 1 else "the published 2e-4 times the square root of the batch"
    return {
        "train.steps": (steps, f"shows {steps * candidate.batch:,} images of each domain; or epochs = 200"),
        "train.batch": (candidate.batch, "as published" if candidate.batch == 1 else "faster with small images"),
        "train.learning_rate": (rate, scaled),
        "checkpoint.every": (-(-steps // checkpoints), "steps; a killed run resumes from the last one"),
        "samples.every": (-(-steps // samples), "steps between sample sheets of test images"),
    }


def _augmentation_lines(dataset: Dataset, preset: Preset, candidate: Candidate, sizing: Sizing | None) -> Iterator[str]:
    augmentations = list(preset.augmentations)
    named = {name for name, _, _ in augmentations}
    if sizing and sizing.images > SHOWINGS * dataset.count and MANY_SHOWINGS[0] not in named:
        augmentations.append(MANY_SHOWINGS)
    for name, options, why in augmentations:
        if preset.windows and name == "resize-and-crop" and dataset.has_windows(candidate.size):
            options, why = {"resize": False}, "windows at the original magnification, which carries meaning"
        yield from ("", "[[augmentation]]", _line("name", name, why))
        yield from (_line(key, value) for key, value in options.items())


def _line(key: str, value: Any, why: str = "") -> str:
    """Return a line of TOML with a comment."""
    text = f"{key} = {json.dumps(value)}"
    return f"{text:25} # {why}" if why else text


def heading_of(sizing: Sizing, hours: float, arithmetic: str) -> list[str]:
    """Return the lines of the comment that explains the choice."""
    step, spent, others = sizing.pace.step, sizing.seconds / 3600, sizing.others / 60
    return [
        f"Sized for {hours:g} hours on this machine. Measured here ({arithmetic}): {step:.3g} s a step.",
        f"Steps: {sizing.steps:,}, in {spent:.2g} h, of which {others:.1f} minutes for samples, scores, checkpoints.",
        "Enough steps first, then the size of the images, then the width and depth of the networks.",
    ]


def describe_limits(sizing: Sizing, hours: float) -> list[str]:
    """Return sentences for the user if the run is shorter than it should be, or than was asked for."""
    if not sizing.is_enough:
        steps = ENOUGH_IMAGES / sizing.candidate.batch
        needed = 1.1 * (steps * sizing.pace.step + sizing.others) / 3600
        return [
            f"These steps show only {sizing.images:,} images of each domain, and results need about "
            f"{ENOUGH_IMAGES:,}: give it more time, for example --hours {needed:.1f}"
        ]
    if sizing.seconds < 0.8 * 3600 * hours:
        return ["The run is shorter than asked for, because it shows as many images as the longest published run."]
    return []
