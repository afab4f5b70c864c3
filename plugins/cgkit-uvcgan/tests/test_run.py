"""All three components train together, and a stopped run resumes bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from cgkit import run

SPEC = """
name = "small"

[data]
source = "seasons"
size = 32
train = 8
test = 2
workers = 0

[generator]
name = "vit-unet"
features = [4, 6]
blocks = 1
heads = 2
width = 8
positions = 8
feed_forward = 8
modulated = {modulated}

[discriminator]
name = "batch-head-patch"
width = 4
layers = 2
memory = 3

[adversarial_loss]
name = "penalised-least-squares"

[train]
steps = 4
batch = 1
image_pool = 0
ema = 0.9
precision = "fp32"

[schedule]
name = "constant"

[checkpoint]
every = 2

[samples]
every = 100
count = 1

[evaluation]
count = 2
"""


@pytest.fixture(params=["false", "true"], ids=["instance-norms", "modulated"])
def spec(tmp_path, request):
    return write_spec(tmp_path, request.param)


def write_spec(folder, modulated):
    file = folder / "spec.toml"
    file.write_text(SPEC.format(modulated=modulated))
    return file


def read_checkpoint(folder, step):
    return {
        f"{file.name}: {name}": tensor
        for file in (folder / "checkpoints" / f"step-{step:09}").glob("*.safetensors")
        for name, tensor in load_file(file).items()
    }


def differences(folder, other):
    tensors, others = read_checkpoint(folder, 4), read_checkpoint(other, 4)
    assert any(name.startswith("model.safetensors") for name in tensors)
    assert tensors.keys() == others.keys()
    return [name for name, tensor in tensors.items() if not torch.equal(tensor, others[name])]


def test_a_stopped_run_resumes_bit_for_bit(spec, tmp_path):
    uninterrupted, stopped = tmp_path / "uninterrupted", tmp_path / "stopped"
    assert run(spec, output=uninterrupted).step == 4
    assert run(spec, output=stopped, overrides=["train.steps=2"]).step == 2
    assert run(spec, output=stopped).step == 4
    assert differences(uninterrupted, stopped) == []
    run(spec, output=tmp_path / "other", overrides=["seed=1"])
    assert differences(uninterrupted, tmp_path / "other") != []


def test_a_run_started_from_the_command_line_can_be_resumed_in_another_process(tmp_path):
    spec = write_spec(tmp_path, "true")
    uninterrupted, resumed = tmp_path / "uninterrupted", tmp_path / "resumed"
    run(spec, output=uninterrupted)
    command = [sys.executable, "-m", "cgkit", "run", str(spec), "--output", str(resumed), "--set", "train.steps=2"]
    subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True, timeout=120)
    run(spec, output=resumed)
    assert differences(uninterrupted, resumed) == []


def test_each_discriminator_stores_features_of_its_training_images(spec, tmp_path):
    run(spec, output=tmp_path / "run")
    for step in (2, 4):
        tensors = read_checkpoint(tmp_path / "run", step)
        counts = {name: int(tensor) for name, tensor in tensors.items() if name.endswith(".count")}
        assert len(counts) == 4
        assert set(counts.values()) == {min(step, 3)}
