"""Runs with weather and with adaptive augmentation, through the command line, stopped and continued."""

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

# Every logit of a young discriminator counts as confident, so that p rises fast.
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


def assert_same(folder: Path, reference: Path) -> None:
    for file in ("components", "model", "optimizer"):
        own, expected = tensors(folder, file), tensors(reference, file)
        assert own.keys() == expected.keys()
        assert expected
        assert not [name for name in expected if not torch.equal(own[name], expected[name])]


def test_a_run_stopped_at_step_2_of_4_continues_bit_for_bit(tmp_path: Path, cgkit: Callable[..., int]) -> None:
    spec = write_spec(tmp_path, ADAPTIVE.format(interval=3))
    straight, parts = tmp_path / "straight", tmp_path / "parts"
    assert cgkit("run", spec, "--output", straight, "--device", "cpu") == 0
    assert cgkit("run", spec, "--output", parts, "--device", "cpu", "--set", "train.steps=2") == 0
    half = tensors(parts, "components")
    assert half["augmentations_a.0.steps"] == 2
    assert cgkit("run", spec, "--output", parts, "--device", "cpu") == 0
    assert_same(parts, straight)
    whole = tensors(parts, "components")
    assert whole["augmentations_a.0.steps"] == 1
    for domain in ("a", "b"):
        assert whole[f"augmentations_{domain}.0.p"] > half[f"augmentations_{domain}.0.p"]


def test_a_killed_run_continues_bit_for_bit(tmp_path: Path, cgkit: Callable[..., int]) -> None:
    spec, folder = write_spec(tmp_path, ADAPTIVE.format(interval=2)), tmp_path / "killed"
    child = os.fork()  # which spares it the import of torch
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
    assert cgkit("run", spec, "--output", tmp_path / "straight", *steps) == 0
    assert_same(folder, tmp_path / "straight")


def test_discriminators_of_several_scales_are_followed(tmp_path: Path, cgkit: Callable[..., int]) -> None:
    spec = write_spec(tmp_path, ADAPTIVE.format(interval=1), discriminator="multiscale")
    arguments = ["--output", tmp_path / "run", "--device", "cpu", "--set", "train.steps=2", "--set", "data.size=32"]
    assert cgkit("run", spec, *arguments) == 0
    assert tensors(tmp_path / "run", "components")["augmentations_b.0.p"] != 0.1


def test_all_weathers_at_once_train_with_and_without_workers_alike(tmp_path: Path, cgkit: Callable[..., int]) -> None:
    folders = []
    for workers in (0, 2):
        spec = write_spec(tmp_path, WEATHER, workers=workers)
        folders.append(tmp_path / f"workers-{workers}")
        assert cgkit("run", spec, "--output", folders[-1], "--device", "cpu", "--set", "train.steps=2") == 0
    own, expected = (tensors(folder, "model") for folder in folders)
    assert not [name for name in expected if not torch.equal(own[name], expected[name])]
