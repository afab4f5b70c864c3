"""The spec that `cgkit init` writes: commented, and fitted to the user's folders where there are any."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from cgkit.scaffolding.folder_survey import LOOKED_INTO, Sight, look_at

SIZES = (32, 64, 128, 256)
"""What is proposed: powers of two suit every generator's stride. Above 256 a user decides."""


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
        sight, bad = look_at(folder)
        sights.append(sight)
        remarks.append(f"{side}: {sight.count} images, shorter side {sight.side:.0f} pixels, {sight.describe()}")
        remarks += [f"  unreadable, so mend or remove it: {problem}" for problem in bad]
    size = max([side for side in SIZES if side <= min(sight.side for sight in sights)], default=SIZES[0])
    same_channels = sights[0].channels == sights[1].channels
    return _spec(_name(folders), _folder_data(folders, sights, relative_to), size, identity=same_channels), remarks


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
    if not channels_a == channels_b == 3:
        lines.append(f"channels = {{ a = {channels_a}, b = {channels_b} }}")
    spans = [f"{side} = {list(sight.span)}" for side, sight in zip("ab", sights, strict=True) if sight.span]
    if spans:
        lines.append(
            f"# What is black and what is white, as seen in {LOOKED_INTO} images of a folder at most: is it so?"
        )
        lines.append(f"range = {{ {', '.join(spans)} }}")
    return "\n".join(lines)


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
