"""The spec that `cgkit init` writes: commented, and fitted to the user's folders where there are any."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from cgkit.data.admission import inspect_image
from cgkit.data.header import ImageHeader
from cgkit.errors import DataError
from cgkit.listing import list_images

SIZES = (32, 64, 128, 256)
"""What is proposed: powers of two suit every generator's stride. Above 256 a user decides."""


@dataclass(frozen=True)
class Sight:
    """What one folder holds.

    Attributes:
        count: how many readable images.
        side: the median of their shorter sides.
        channels: 1 where all are grey, else 3.
    """

    count: int
    side: float
    channels: int


def starter_spec(folders: Sequence[Path], relative_to: Path) -> tuple[str, list[str]]:
    """Return the text of a spec, and remarks on what was seen.

    Args:
        folders: two folders of images, or none for the built-in data.
        relative_to: the folder that the spec will lie in; its paths are relative to that.

    Raises:
        DataError: a folder holds no readable image.
    """
    if not folders:
        data = 'source = "seasons"        # built in; for your own images: cgkit init FOLDER_A FOLDER_B'
        return _spec("seasons", data, size=64, identity=True), []
    sights = []
    remarks = []
    for side, folder in zip("ab", folders, strict=True):
        sight, bad = _look(folder)
        sights.append(sight)
        remarks.append(f"{side}: {sight.count} images, shorter side {sight.side:.0f} pixels, {_colour(sight.channels)}")
        remarks += [f"  unreadable, so mend or remove it: {problem}" for problem in bad]
    size = max([side for side in SIZES if side <= min(sight.side for sight in sights)], default=SIZES[0])
    same_channels = sights[0].channels == sights[1].channels
    return _spec(_name(folders), _folder_data(folders, sights, relative_to), size, identity=same_channels), remarks


def _look(folder: Path) -> tuple[Sight, list[DataError]]:
    headers: list[ImageHeader] = []
    bad: list[DataError] = []
    for path in list_images(folder):
        try:
            headers.append(inspect_image(path))
        except DataError as error:
            bad.append(error)
    if not headers:
        raise bad[0]
    grey = all(header.channels == 1 for header in headers)
    side = median(min(header.width, header.height) for header in headers)
    return Sight(len(headers), side, 1 if grey else 3), bad


def _folder_data(folders: Sequence[Path], sights: Sequence[Sight], relative_to: Path) -> str:
    lines = ['source = "folder"']
    for side, folder in zip("ab", folders, strict=True):
        lines.append(f"{side} = {json.dumps(os.path.relpath(folder, relative_to))}")
    tests = [folder.with_name(re.sub("train", "test", folder.name)) for folder in folders]
    if all(test != folder and test.is_dir() for test, folder in zip(tests, folders, strict=True)):
        for side, test in zip("ab", tests, strict=True):
            lines.append(f"test_{side} = {json.dumps(os.path.relpath(test, relative_to))}")
        lines.append("# aligned = true          # where test images of one name show the same scene: scores them")
    else:
        lines.append("held_out = 0.1            # share of the images that are kept for testing")
    channels_a, channels_b = (sight.channels for sight in sights)
    if channels_a == channels_b == 3:
        return "\n".join(lines)
    return "\n".join([*lines, f"channels = {{ a = {channels_a}, b = {channels_b} }}"])


def _spec(name: str, data: str, size: int, *, identity: bool) -> str:
    identity_line = (
        "identity = 5.0            # keeps colours; 0 switches it off"
        if identity
        else "identity = 0              # needs as many channels in both domains"
    )
    return f"""# What cgkit trains. Every key that is missing has the published value (Zhu et al., ICCV 2017).
# `cgkit list-components` shows what may be named; `cgkit check` tries this file out.
name = "{name}"
seed = 0

[data]
{data}
size = {size}                 # trained height and width; [height, width] where they differ

[generator]
name = "resnet"
# blocks = 9              # 6 below 256 pixels, 9 from there on, where this is not given
# width = 64

[discriminator]
name = "patch"

[adversarial_loss]
name = "least-squares"    # or "bce", "hinge", "wasserstein"

[objective]
cycle = 10.0              # or {{ forward = 10.0, backward = 10.0 }}
{identity_line}

[[augmentation]]
name = "resize-and-crop"

[[augmentation]]
name = "flip"

[train]
epochs = 200              # or steps = 100000
batch = 1
learning_rate = 2e-4
# ema = 0.999             # translate with a moving average of the weights
precision = "auto"        # bf16 where the hardware multiplies it natively, else fp32

[checkpoint]
every = 1000              # steps; a killed run continues from the last one
keep = 3

[samples]
every = 500               # steps between sheets of test images
"""


def _name(folders: Sequence[Path]) -> str:
    names = [re.sub(r"[^\w-]+", "-", folder.resolve().name).strip("-") or "images" for folder in folders]
    return "-to-".join(names)[:100]


def _colour(channels: int) -> str:
    return "grey" if channels == 1 else "colour"
