"""Presets of `cgkit init`: named recipes, each value with its provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PAPER = "Zhu et al., ICCV 2017"
CODE = "pytorch-CycleGAN-and-pix2pix, the published code"

NIGHT = 8.0
"""Hours of a night."""

Setting = tuple[Any, str]
"""A value of the spec and where it comes from."""

Augmentation = tuple[str, Mapping[str, Any], str]
"""The name of an augmentation, its options, and where it comes from."""

STRETCH: Augmentation = ("resize-and-crop", {}, f"scaled to 286/256 of the size and cropped: {CODE}")
KEEP: Augmentation = ("resize-and-crop", {"aspect": "keep"}, "as published, but without distorting the images")
FLIP: Augmentation = ("flip", {}, f"mirrors half of the images: {CODE}")
EMA: Setting = (0.999, "translates with a moving average of the weights, which is steadier: Karras et al., ICLR 2018")
SMOOTH: Setting = ("resize", "no checkerboards in smooth areas: Odena et al., Distill 2016")
IDENTITY: Setting = (5.0, f"preserves colours; half the cycle weight: {PAPER}, section 5.2")


@dataclass(frozen=True)
class Preset:
    """A recipe.

    Attributes:
        summary: what it is for.
        values: settings by their place in the spec: `train.batch`.
        augmentations: the augmentations, in order.
        hours: the time to size the run for, if the user gives none.
        sized: whether size, networks and steps are chosen for the data and the machine.
        windows: whether images are cropped but not scaled, if they are large enough.
    """

    summary: str
    values: Mapping[str, Setting] = field(default_factory=dict)
    augmentations: tuple[Augmentation, ...] = (KEEP, FLIP)
    hours: float = NIGHT
    sized: bool = True
    windows: bool = False


PUBLISHED: Mapping[str, Setting] = {
    "train.epochs": (200, f"{PAPER}, appendix 7.1; or steps = 100000"),
    "train.batch": (1, f"{PAPER}, appendix 7.1"),
    "train.learning_rate": (2e-4, f"{PAPER}, appendix 7.1"),
    "checkpoint.every": (1000, "steps between checkpoints; a killed run resumes from the last one"),
    "samples.every": (500, "steps between sample sheets of test images"),
}

PRESETS: Mapping[str, Preset] = {
    "sized": Preset("sized to the data, the machine and --hours; the default", {"train.ema": EMA}),
    "paper": Preset(
        f"the published settings ({PAPER}), whatever time they take",
        {**PUBLISHED, "train.precision": ("fp32", f"{CODE}; auto is faster on hardware with bf16")},
        (STRETCH, FLIP),
        sized=False,
    ),
    "horse2zebra": Preset(
        "objects change their texture",
        {
            "objective.identity": (5.0, f"--lambda_identity 0.5, half the cycle weight: {CODE}"),
            "train.image_pool": (50, f"{PAPER}, section 4, after Shrivastava et al., 2017"),
        },
        (STRETCH, FLIP),
    ),
    "few-images": Preset(
        "a hundred images or fewer per domain",
        {"train.ema": EMA},
        (KEEP, FLIP, ("diff-augment", {}, "helps with 20 to 100 images, harms with 400: docs/results/README.md")),
    ),
    "photo-style": Preset(
        "paintings and photos, seasons, times of day",
        {
            "objective.identity": IDENTITY,
            "generator.upsample": SMOOTH,
            "train.ema": EMA,
        },
    ),
    "stain": Preset(
        "stains and scanners in microscopy, where magnification matters",
        {
            "objective.identity": IDENTITY,
            "generator.upsample": SMOOTH,
            "train.ema": EMA,
        },
        (
            KEEP,
            ("flip", {"vertical": 0.5}, "tissue has no upright position"),
            ("right-angle-rotation", {}, "tissue has no upright position"),
        ),
        windows=True,
    ),
    "16-bit": Preset(
        "scans and measurements of more than 8 bits",
        {
            "train.precision": ("fp32", "bf16 distinguishes only some hundred levels: docs/images/own-images.md"),
            "generator.upsample": SMOOTH,
            "train.ema": EMA,
        },
    ),
    "quick": Preset(
        "a first look in six minutes",
        {"train.learning_rate": (5e-4, "the published 2e-4 is for long runs: examples/seasons.toml")},
        hours=0.1,
    ),
}
"""The presets by name."""


def list_presets() -> str:
    """Return one line for each preset, for the help of the command."""
    return "\n".join(f"{name:12} {preset.summary}" for name, preset in PRESETS.items())
