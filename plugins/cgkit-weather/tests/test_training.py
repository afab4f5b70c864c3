"""Runs with weather and adaptive augmentation from the command line, stopped and resumed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from cgkit.checkpoints import list_checkpoints

SPEC = """
name = "weather"
seed = 3

[data]
source = "seasons"
size = 16
train = 6
test = 2
workers = {workers}

[generator]
name = "resnet"
width = 4
blocks = 1

[discriminator]
name = "{discriminator}"
width = 4
layers = 1

{augmentations}

[schedule]
name = "constant"

[train]
steps = 4
batch = 2
precision = "fp32"

[checkpoint]
every = 1
keep = 2

[samples]
every = 100
count = 1

[evaluation]
count = 1
"""

# With this boundary, every logit of an untrained discriminator counts as confident, so p rises fast.
ADAPTIVE = """
[[augmentation]]
name = "adaptive"
adjustment_images = 16
interval = {interval}
boundary = -5
start = 0.1
"""

WEATHER = "".join(
    f'[[augmentation]]\nname = "{name}"\np = 0.9\n'
    for name in ("rain", "snow", "fog", "cloud-shadow", "uneven-light", "motion-blur")
)


def write_spec(folder: Path, augmentations: str, *, workers: int = 0, discriminator: str = "patch") -> Path:
    file = folder / "spec.toml"
    file.write_text(SPEC.format(augmentations=augmentations, workers=workers, discriminator=discriminator))
    return file


def tensors(folder: Path, file: str) -> dict[str, Tensor]:
    return load_file(list_checkpoints(folder / "checkpoints")[-1] / f"{file}.safetensors")


def assert_equal(folder: Path, reference: Path) -> None:
    for file in ("components", "model", "optimizer"):
        actual, expected = tensors(folder, file), tensors(reference, file)
        assert actual.keys() == expected.keys()
        assert expected
        assert not [name for name in expected if not torch.equal(actual[name], expected[name])]


def test_a_run_stopped_at_step_2_of_4_resumes_bit_for_bit(tmp_path: Path, cgkit: Callable[..., int]) -> None:
    spec = write_spec(tmp_path, ADAPTIVE.format(interval=3))
    uninterrupted, resumed = tmp_path / "uninterrupted", tmp_path / "resumed"
    assert cgkit("run", spec, "--output", uninterrupted, "--device", "cpu") == 0
    assert cgkit("run", spec, "--output", resumed, "--device", "cpu", "--set", "train.steps=2") == 0
    half = tensors(resumed, "components")
    assert half["augmentations_a.0.steps"] == 2
    assert cgkit("run", spec, "--output", resumed, "--device", "cpu") == 0
    assert_equal(resumed, uninterrupted)
    whole = tensors(resumed, "components")
    assert whole["augmentations_a.0.steps"] == 1
    for domain in ("a", "b"):
        assert whole[f"augmentations_{domain}.0.p"] > half[f"augmentations_{domain}.0.p"]


def test_a_killed_run_resumes_bit_for_bit(tmp_path: Path, cgkit: Callable[..., int]) -> None:
    spec, folder = write_spec(tmp_path, ADAPTIVE.format(interval=2)), tmp_path / "killed"
    child = os.fork()  # forked, so that torch is not imported again
    if not child:
        cgkit("run", spec, "--output", folder, "--device", "cpu", "--set", "train.steps=100000")
        os._exit(1)
    deadline = time.monotonic() + 60
    while not list_checkpoints(folder / "checkpoints"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    reached = int(list_checkpoints(folder / "checkpoints")[-1].name.removeprefix("step-"))
    steps = ["--set", f"train.steps={reached + 3}", "--device", "cpu"]
    assert cgkit("run", spec, "--output", folder, *steps) == 0
    assert cgkit("run", spec, "--output", tmp_path / "uninterrupted", *steps) == 0
    assert_equal(folder, tmp_path / "uninterrupted")


def test_p_adapts_to_discriminators_with_several_scales(tmp_path: Path, cgkit: Callable[..., int]) -> None:
    spec = write_spec(tmp_path, ADAPTIVE.format(interval=1), discriminator="multiscale")
    arguments = ["--output", tmp_path / "run", "--device", "cpu", "--set", "train.steps=2", "--set", "data.size=32"]
    assert cgkit("run", spec, *arguments) == 0
    assert tensors(tmp_path / "run", "components")["augmentations_b.0.p"] != 0.1


def test_all_weathers_together_train_the_same_with_and_without_workers(
    tmp_path: Path, cgkit: Callable[..., int]
) -> None:
    folders = []
    for workers in (0, 2):
        spec = write_spec(tmp_path, WEATHER, workers=workers)
        folders.append(tmp_path / f"workers-{workers}")
        assert cgkit("run", spec, "--output", folders[-1], "--device", "cpu", "--set", "train.steps=2") == 0
    actual, expected = (tensors(folder, "model") for folder in folders)
    assert not [name for name in expected if not torch.equal(actual[name], expected[name])]
