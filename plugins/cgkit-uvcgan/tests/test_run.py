"""All three components train together, and a stopped run continues bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from cgkit.runs.start import run

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
    return written(tmp_path, request.param)


def written(folder, modulated):
    file = folder / "spec.toml"
    file.write_text(SPEC.format(modulated=modulated))
    return file


def saved(folder, step):
    return {
        f"{file.name}: {name}": tensor
        for file in (folder / "checkpoints" / f"step-{step:09}").glob("*.safetensors")
        for name, tensor in load_file(file).items()
    }


def differences(folder, other):
    one, another = saved(folder, 4), saved(other, 4)
    assert any(name.startswith("model.safetensors") for name in one)
    assert one.keys() == another.keys()
    return [name for name, tensor in one.items() if not torch.equal(tensor, another[name])]


def test_a_run_that_was_stopped_continues_bit_for_bit(spec, tmp_path):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert run(spec, output=straight).step == 4
    assert run(spec, output=stopped, overrides=["train.steps=2"]).step == 2
    assert run(spec, output=stopped).step == 4
    assert differences(straight, stopped) == []
    assert differences(straight, of_another_seed(spec, tmp_path / "other")) != []


def of_another_seed(spec, folder):
    run(spec, output=folder, overrides=["seed=1"])
    return folder


def test_the_command_line_finds_it_and_continues_what_another_process_began(tmp_path):
    spec = written(tmp_path, "true")
    straight, begun = tmp_path / "straight", tmp_path / "begun"
    run(spec, output=straight)
    command = [sys.executable, "-m", "cgkit", "run", str(spec), "--output", str(begun), "--set", "train.steps=2"]
    subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True, timeout=120)
    run(spec, output=begun)
    assert differences(straight, begun) == []


def test_each_discriminator_remembers_what_it_learned_from(spec, tmp_path):
    run(spec, output=tmp_path / "run")
    for step in (2, 4):
        counts = {name: int(one) for name, one in saved(tmp_path / "run", step).items() if name.endswith(".count")}
        assert len(counts) == 4
        assert set(counts.values()) == {min(step, 3)}
