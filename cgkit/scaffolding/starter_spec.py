"""The commented spec that `cgkit init` writes; if the user gives folders, it is filled in for their images."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from cgkit.images.formats import Formats
from cgkit.scaffolding.folder_survey import SAMPLE_SIZE, FolderSurvey, survey_folder

SIZES = (32, 64, 128, 256)
"""Image sizes to propose: powers of two, which suit the stride of every built-in generator."""


def starter_spec(folders: Sequence[Path], relative_to: Path, formats: Formats) -> tuple[str, list[str]]:
    """Return the text of a spec, and remarks on the images for the user.

    Args:
        folders: two folders of images, or none for the built-in data.
        relative_to: the folder of the spec, to which its paths are relative.
        formats: the available image formats.

    Raises:
        DataError: a folder contains no readable image.
    """
    if not folders:
        data = 'source = "seasons"        # built-in; for your own images run: cgkit init FOLDER_A FOLDER_B'
        return _spec("seasons", data, size=64, identity=True), []
    surveys = []
    remarks = []
    for domain, folder in zip("ab", folders, strict=True):
        survey, errors = survey_folder(folder, formats)
        surveys.append(survey)
        remarks.append(f"{domain}: {survey.count} images, shorter side {survey.side:.0f} pixels, {survey.describe()}")
        remarks += [f"  unreadable; fix or remove it: {error}" for error in errors]
    size = max([side for side in SIZES if side <= min(survey.side for survey in surveys)], default=SIZES[0])
    same_channels = surveys[0].channels == surveys[1].channels
    return _spec(_name(folders), _folder_data(folders, surveys, relative_to), size, identity=same_channels), remarks


def _folder_data(folders: Sequence[Path], surveys: Sequence[FolderSurvey], relative_to: Path) -> str:
    lines = ['source = "folder"']
    for domain, folder in zip("ab", folders, strict=True):
        lines.append(f"{domain} = {json.dumps(os.path.relpath(folder, relative_to))}")
    tests = [folder.with_name(re.sub("train", "test", folder.name)) for folder in folders]
    if all(test != folder and test.is_dir() for test, folder in zip(tests, folders, strict=True)):
        for domain, test in zip("ab", tests, strict=True):
            lines.append(f"test_{domain} = {json.dumps(os.path.relpath(test, relative_to))}")
        lines.append("# aligned = true          # if test images of the same name show the same scene")
    else:
        lines.append("held_out = 0.1            # fraction of the images held out for testing")
    channels_a, channels_b = (survey.channels for survey in surveys)
    if not channels_a == channels_b == 3:
        lines.append(f"channels = {{ a = {channels_a}, b = {channels_b} }}")
    ranges = {domain: survey.value_range for domain, survey in zip("ab", surveys, strict=True) if survey.value_range}
    if ranges:
        lines.append(
            f"# The values of black and white, estimated from up to {SAMPLE_SIZE} images per folder: please check."
        )
        lines.append(f"range = {{ {', '.join(f'{domain} = {list(span)}' for domain, span in ranges.items())} }}")
    return "\n".join(lines)


def _spec(name: str, data: str, size: int, *, identity: bool) -> str:
    identity_line = (
        "identity = 5.0            # preserves colours; 0 disables it"
        if identity
        else "identity = 0              # requires the same number of channels in both domains"
    )
    return f"""# A training run of cgkit. Missing keys have the published values (Zhu et al., ICCV 2017).
# `cgkit list-components` shows the available components; `cgkit check` validates this file.
name = "{name}"
seed = 0

[data]
{data}
size = {size}                 # training size in pixels; [height, width] if they differ

[generator]
name = "resnet"
# blocks = 9              # default: 6 below 256 pixels, else 9
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
precision = "auto"        # bf16 if the hardware supports it natively, else fp32

[checkpoint]
every = 1000              # steps between checkpoints; a killed run resumes from the last one
keep = 3

[samples]
every = 500               # steps between sample sheets of test images
"""


def _name(folders: Sequence[Path]) -> str:
    names = [re.sub(r"[^\w-]+", "-", folder.resolve().name).strip("-") or "images" for folder in folders]
    return "-to-".join(names)[:100]
